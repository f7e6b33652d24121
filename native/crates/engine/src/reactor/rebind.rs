//! A dialled link goes on from a new socket.

use std::time::Instant;

use mio::{Interest, Token};
use petrel_link::lock;
use petrel_socket::Socket;

use super::Reactor;

impl Reactor {
    /// Where there is no way out yet, the link stays where it is and tries again when next it is suspicious.
    pub(super) fn rebind(&mut self, id: u32) {
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        let Some(port) = self.ports.get_mut(&driver.port) else { return };
        let remote = lock(&driver.link.connection).as_ref().map(|connection| connection.as_dyn().remote());
        let buffer_bytes = lock(&driver.link.state).limits.profile.socket_bytes;
        let Some(Ok(mut socket)) = remote.map(|to| Socket::for_remote(to, buffer_bytes)) else { return };
        let both = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(socket.source(), Token(driver.port), both).is_err() {
            return;
        }
        lock(&driver.link.state).buffers = socket.buffer_sizes();
        // The old socket closes here, which ends its registration.
        port.replace(socket);
        self.blocked.remove(&driver.port);
        driver.rebound(Instant::now());
        self.activate(id);
    }
}
