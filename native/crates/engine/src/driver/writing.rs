//! Bytes to the peer, within its credit.

use bytes::{Buf, Bytes};
use petrel_link::{Connection, Stopped, lock};

use super::Driver;
use crate::event::Event;
use crate::stream::{Fin, SEND_QUEUE_BYTES};

/// Bytes of one stream handed to the connection in its turn.
const TURN_BYTES: usize = 64 * 1024;

impl Driver {
    /// Hands waiting bytes to the connection, streams in turn, until it takes no more.
    pub(super) fn write(&mut self, connection: &mut dyn Connection) {
        while let Some((stream, code)) = self.write_until_stopped(connection) {
            self.peer_reset(connection, stream, code);
        }
    }

    /// Some: the peer wants no more of that stream, and others wait for their turn.
    fn write_until_stopped(&mut self, connection: &mut dyn Connection) -> Option<(u64, u64)> {
        if !self.is_connected || connection.is_closed() {
            return None;
        }
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        let mut refused = 0;
        while refused < 2
            && let Some(stream) = state.ready.pop_front()
        {
            let Some(s) = state.streams.get_mut(&stream) else { continue };
            s.is_ready = false;
            if s.reset.is_some() {
                state.forget(stream);
                continue;
            }
            let mut turn = 0;
            let mut stopped = None;
            loop {
                let own = s.own();
                let Some(front) = s.out.front_mut() else { break };
                let allowed = s.send_credit.allowance().min((TURN_BYTES - turn) as u64) as usize;
                if allowed == 0 {
                    break;
                }
                let piece = front.slice(..front.len().min(allowed));
                let bytes = piece.len();
                match hand_over(connection, stream, piece, own) {
                    Ok(n) => {
                        front.advance(n);
                        if front.is_empty() {
                            s.out.pop_front();
                        }
                        s.out_bytes -= n;
                        s.send_credit.sent(n as u64);
                        turn += n;
                        if n < bytes {
                            refused += usize::from(own == 0 || n < own.min(bytes));
                            break;
                        }
                    }
                    Err(Stopped(code)) => {
                        stopped = Some(code);
                        break;
                    }
                }
            }
            if let Some(code) = stopped {
                return Some((stream, code));
            }
            if s.out.is_empty() && s.fin == Fin::Asked {
                connection.finish(stream);
                s.fin = Fin::Sent;
            }
            if s.wants_write && s.out_bytes <= SEND_QUEUE_BYTES / 2 {
                s.wants_write = false;
                self.push(Event::Writable { link: self.link.id, stream });
            }
            if turn == TURN_BYTES && !s.out.is_empty() {
                state.make_ready(stream);
            } else {
                state.forget(stream);
            }
        }
        None
    }
}

/// own: bytes that are to go whatever others have on their way.
fn hand_over(connection: &mut dyn Connection, stream: u64, mut piece: Bytes, own: usize) -> Result<usize, Stopped> {
    let own = own.min(piece.len());
    let n = connection.write(stream, &mut piece)?;
    if n >= own {
        return Ok(n);
    }
    let mut few = piece.split_to(own - n);
    Ok(n + connection.write_few(stream, &mut few)?)
}
