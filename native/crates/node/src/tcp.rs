//! What Node can neither set nor ask of a TCP socket of its own. fd: borrowed for the call, stays the caller's.

use napi_derive::napi;

/// Has a TCP socket use this congestion control where the system allows it, and returns the one that is then in force.
/// None: this system does not tell, or the descriptor is no TCP socket.
#[napi(catch_unwind)]
pub fn use_tcp_congestion(fd: i32, name: String) -> Option<String> {
    in_force(fd, &name)
}

/// What keeps a socket's next read from being a clean end: the system's number of the error, which is taken from the
/// socket; -1: bytes; 0: nothing. fd: non-blocking. None: this system does not tell.
#[napi(catch_unwind)]
pub fn read_error(fd: i32) -> Option<i32> {
    next_read(fd)
}

#[cfg(target_os = "linux")]
fn in_force(fd: i32, name: &str) -> Option<String> {
    with_socket(fd, |socket| {
        // A refusal is no error: what is in force says all, and the caller knows how to allow more.
        let _ = socket.set_tcp_congestion(name.as_bytes());
        let name = socket.tcp_congestion().ok()?;
        // The kernel gives the whole field of 16 bytes, zeros behind the name.
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8(name.to_vec()).ok()
    })
}

#[cfg(not(target_os = "linux"))]
fn in_force(_fd: i32, _name: &str) -> Option<String> {
    None
}

#[cfg(unix)]
fn next_read(fd: i32) -> Option<i32> {
    with_socket(fd, |socket| match socket.peek(&mut [std::mem::MaybeUninit::uninit()]) {
        Ok(0) => Some(0),
        Ok(_) => Some(-1),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(0),
        Err(error) => error.raw_os_error(),
    })
}

#[cfg(not(unix))]
fn next_read(_fd: i32) -> Option<i32> {
    None
}

#[cfg(unix)]
fn with_socket<T>(fd: i32, ask: impl FnOnce(&socket2::Socket) -> Option<T>) -> Option<T> {
    if fd < 0 {
        return None;
    }
    // SAFETY: not -1, and the call is synchronous and on the thread of the socket's owner, who gives a descriptor that
    // is open: nothing closes it meanwhile, and a wrong one only makes the system calls fail.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    ask(&socket2::SockRef::from(&borrowed))
}
