//! One UDP socket and who is on it: a listener's, or a dialled link's own. Protocols side by side each have their own
//! endpoint, and share the count of strangers.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use petrel_link::{Admission, Limits, Transmit, Verdict};
use petrel_socket::{EcnCodepoint, ReceiveBuffers, Sent, Socket};

use crate::answers::Answers;
use crate::coalescing::Coalescing;
use crate::protocol::{Arrival, Connection, Endpoint, Key, Protocol, Stranger};

/// One protocol on a socket.
pub(crate) struct Side {
    pub(crate) endpoint: Endpoint,
    /// None: of a dialled link.
    pub(crate) listener: Option<Listener>,
    pub(crate) links: HashMap<Key, u32>,
}

pub(crate) struct Listener {
    pub(crate) id: u32,
    /// It takes new links.
    pub(crate) is_open: bool,
    /// What new links may use.
    pub(crate) stranger: Limits,
}

impl Side {
    pub(crate) fn dialer(endpoint: Endpoint) -> Self {
        Self { endpoint, listener: None, links: HashMap::new() }
    }

    pub(crate) fn listener(endpoint: Endpoint, id: u32, stranger: Limits) -> Self {
        let listener = Listener { id, is_open: true, stranger };
        Self { endpoint, listener: Some(listener), links: HashMap::new() }
    }

    /// Takes no new links; those that exist live on.
    pub(crate) fn close(&mut self) {
        self.endpoint.close();
        if let Some(listener) = &mut self.listener {
            listener.is_open = false;
        }
    }

    pub(crate) fn is_closed_listener(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| !listener.is_open)
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.links.is_empty() && self.listener.as_ref().is_none_or(|listener| !listener.is_open)
    }
}

pub(crate) struct Port {
    pub(crate) socket: Arc<Socket>,
    /// At most one for each protocol.
    pub(crate) sides: Vec<Side>,
    /// More may be there to receive.
    pub(crate) is_readable: bool,
    pub(crate) coalescing: Coalescing,
    receive_buffer: usize,
    admission: Admission,
    answers: Answers,
}

impl Port {
    pub(crate) fn new(socket: Socket, side: Side) -> Self {
        Self {
            receive_buffer: socket.buffer_sizes().1,
            socket: Arc::new(socket),
            sides: vec![side],
            is_readable: true,
            coalescing: Coalescing::default(),
            admission: Admission::default(),
            answers: Answers::default(),
        }
    }

    /// Goes on from another socket.
    pub(crate) fn replace(&mut self, socket: Socket) {
        self.receive_buffer = socket.buffer_sizes().1;
        self.socket = Arc::new(socket);
        self.is_readable = true;
    }

    /// The socket is empty: whether it may be left alone for `coalescing::PAUSE`.
    pub(crate) fn may_pause(&mut self, now: Instant) -> bool {
        self.coalescing.may_pause(now, self.receive_buffer)
    }

    pub(crate) fn side(&mut self, protocol: Protocol) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.endpoint.protocol() == protocol)
    }

    pub(crate) fn link(&self, key: Key) -> Option<u32> {
        self.sides.iter().find_map(|side| side.links.get(&key).copied())
    }

    pub(crate) fn side_of_listener(&mut self, id: u32) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.listener.as_ref().is_some_and(|listener| listener.id == id))
    }

    /// One receive call; returns how many bytes came and whether more may be there. WouldBlock: nothing is there.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        buffers: &mut ReceiveBuffers,
        out: &mut Vec<u8>,
        arrivals: &mut Vec<(Protocol, Arrival)>,
    ) -> io::Result<(usize, bool)> {
        let Self { socket, sides, answers, coalescing, .. } = self;
        let mut bytes = 0;
        let may_be_more = socket.receive(buffers, |datagram| {
            bytes += datagram.bytes.len();
            coalescing.arrived(datagram.bytes.len());
            let Some(protocol) = Protocol::of(datagram.bytes) else { return };
            let Some(side) = sides.iter_mut().find(|side| side.endpoint.protocol() == protocol) else { return };
            let ecn = datagram.ecn.map(|ecn| ecn as u8);
            match side.endpoint.handle(now, (datagram.from, datagram.to), ecn, datagram.bytes, out) {
                Some(Arrival::Answer(answer)) if answers.may_leave(now, answer.size, datagram.bytes.len()) => {
                    let _ = send(socket, &answer, &out[..answer.size]);
                }
                Some(Arrival::Answer(_)) | None => {}
                Some(arrival) => arrivals.push((protocol, arrival)),
            }
        })?;
        Ok((bytes, may_be_more))
    }

    /// Accepts, refuses, or asks for a proof of address. Some: a new connection and the listener that has it.
    pub(crate) fn admit(
        &mut self,
        protocol: Protocol,
        stranger: Stranger,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<(Connection, u32, Limits)> {
        let side = self.sides.iter_mut().find(|side| side.endpoint.protocol() == protocol)?;
        let listener = side.listener.as_ref()?;
        let from = stranger.remote().ip();
        let verdict = match self.admission.judge(from, stranger.is_proven()) {
            _ if !listener.is_open => Verdict::Refuse,
            verdict => verdict,
        };
        let answer = match verdict {
            Verdict::Accept => match side.endpoint.accept(stranger, now, out) {
                Ok(connection) => {
                    self.admission.began(from);
                    return Some((connection, listener.id, listener.stranger));
                }
                Err(answer) => answer?,
            },
            Verdict::Retry => side.endpoint.retry(stranger, out)?,
            Verdict::Refuse => side.endpoint.refuse(stranger, out)?,
        };
        let _ = send(&self.socket, &answer, &out[..answer.size]);
        None
    }

    /// A handshake that `admit` began is over, well or not.
    pub(crate) fn settled(&mut self, from: IpAddr) {
        self.admission.settled(from);
    }
}

pub(crate) fn send(socket: &Socket, transmit: &Transmit, bytes: &[u8]) -> Sent {
    socket.send(&petrel_socket::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(EcnCodepoint::from_bits),
        contents: bytes,
        segment_size: transmit.segment_size,
        src_ip: transmit.source,
    })
}
