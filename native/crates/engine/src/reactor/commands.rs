//! What callers ask of the thread.

use std::io;

use mio::{Interest, Token};
use petrel_socket::Socket;

use super::Reactor;
use crate::event::{DialFailure, Event};
use crate::handle::Command;
use crate::port::{Port, Side};
use crate::protocol::Endpoint;

impl Reactor {
    pub(super) fn command(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Listen { token, socket: Some(socket), side } => self.open_port(token, socket, *side)?,
            Command::Listen { token, socket: None, side } => {
                if let Some(port) = self.ports.get_mut(&token) {
                    port.sides.push(*side);
                }
            }
            Command::Renew(listener, identity) => {
                if let Some((_, side)) = self.listener(listener) {
                    side.endpoint.renew(identity);
                }
            }
            Command::Unlisten(listener) => {
                if let Some((token, side)) = self.listener(listener) {
                    side.close();
                    let links = side.links.values().copied().collect();
                    self.drop_closed(links);
                    self.close_if_unused(token);
                }
            }
            Command::Dial { socket, link, dialling, refusal, remote, name } => {
                match Endpoint::dial(dialling, remote, &name, socket.may_fragment()) {
                    Ok((endpoint, connection)) => {
                        let token = self.handle.number() as usize;
                        self.open_port(token, socket, Side::dialer(endpoint))?;
                        self.adopt(link, connection, token, None, Some(refusal));
                    }
                    Err(error) => {
                        let (why, reason) = (DialFailure::Unreachable, error.to_string());
                        self.handle.events.push(Event::Failed { link: link.id, why, reason });
                    }
                }
            }
        }
        Ok(())
    }

    fn listener(&mut self, listener: u32) -> Option<(usize, &mut Side)> {
        self.ports.iter_mut().find_map(|(token, port)| Some((*token, port.side_of_listener(listener)?)))
    }

    fn open_port(&mut self, token: usize, mut socket: Socket, side: Side) -> io::Result<()> {
        self.poll.registry().register(socket.source(), Token(token), Interest::READABLE | Interest::WRITABLE)?;
        self.ports.insert(token, Port::new(socket, side));
        Ok(())
    }
}
