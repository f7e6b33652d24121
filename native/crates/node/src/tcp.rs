//! What Node can neither set nor ask of a TCP socket of its own. fd: borrowed for the call, stays the caller's.

use napi_derive::napi;

/// Has a TCP socket use this congestion control where the system allows it, and returns the one that is then in force.
/// None: this system does not tell, or the descriptor is no TCP socket.
#[napi(catch_unwind)]
pub fn use_tcp_congestion(fd: i32, name: String) -> Option<String> {
    in_force(fd, &name)
}

/// Whether the next read of a socket would fail with ECONNRESET. Takes no byte, does not wait. None: this system does
/// not tell.
#[napi(catch_unwind)]
pub fn is_reset(fd: i32) -> Option<bool> {
    would_fail(fd)
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
fn would_fail(fd: i32) -> Option<bool> {
    with_socket(fd, |socket| {
        let answer = socket.peek(&mut [std::mem::MaybeUninit::uninit()]);
        Some(answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset))
    })
}

#[cfg(not(unix))]
fn would_fail(_fd: i32) -> Option<bool> {
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
