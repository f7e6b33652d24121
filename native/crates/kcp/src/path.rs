//! Where the peer is, and what may be sent there. A listener's link follows its peer to a new address once that address
//! has answered a challenge; until then traffic goes to the old one. PROTOCOL.md, "Addresses".

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// An address that has proved nothing gets at most so many times what came from it (RFC 9000 §8).
const AMPLIFICATION: u64 = 3;
/// Addresses that are asked at once; an observer who sends copies of packets must not crowd out the peer.
const MAX_CANDIDATES: usize = 4;
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// After a move no other begins for so long: each costs packets that leave whatever the window says.
const STAY: Duration = Duration::from_millis(100);
/// A candidate that has not answered by then is forgotten.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    challenge: [u8; 8],
    since: Instant,
    ask_at: Instant,
    received: u64,
    sent: u64,
}

impl Candidate {
    fn takes(&self, bytes: usize) -> bool {
        self.sent + bytes as u64 <= AMPLIFICATION * self.received
    }
}

#[derive(Debug)]
pub(crate) struct Path {
    remote: SocketAddr,
    /// Ours, to which the peer sends.
    local: Option<IpAddr>,
    is_validated: bool,
    /// The peer's address changed during the handshake.
    has_moved: bool,
    /// When it last answered from its address.
    answered: Option<Instant>,
    received: u64,
    sent: u64,
    candidates: Vec<Candidate>,
}

impl Path {
    pub(crate) fn new(remote: SocketAddr, is_validated: bool) -> Self {
        let candidates = Vec::new();
        Self { remote, local: None, is_validated, has_moved: false, answered: None, received: 0, sent: 0, candidates }
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The address to send from, on hosts with several.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.local
    }

    pub(crate) fn came_to(&mut self, local: Option<IpAddr>) {
        self.local = local.or(self.local);
    }

    /// Our own socket is another one: the old one's address may be nobody's now, and packets from it would not leave.
    pub(crate) fn leave(&mut self) {
        self.local = None;
    }

    /// A packet came from here that only who has got ours can have made. After a move it may be a copy of an observer's,
    /// and only an answered challenge counts.
    pub(crate) fn validate(&mut self, from: SocketAddr) {
        self.is_validated |= from == self.remote && !self.has_moved;
    }

    /// The handshake's newest authentic packet came from another address, and there is no way to ask that one yet.
    pub(crate) fn follow(&mut self, from: SocketAddr, bytes: usize) {
        *self = Self { local: self.local, has_moved: true, received: bytes as u64, ..Self::new(from, false) };
    }

    /// The handshake is over. A listener asks an address that has not proved itself.
    pub(crate) fn settle(&mut self, now: Instant, challenge: impl FnOnce() -> [u8; 8]) {
        if !self.is_validated {
            self.came_from(now, self.remote, self.received as usize, challenge);
        }
    }

    /// Counts what came; before it is known to be authentic.
    pub(crate) fn received(&mut self, from: SocketAddr, bytes: usize) {
        if from == self.remote {
            self.received += bytes as u64;
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Bytes that may be sent to the peer's address.
    pub(crate) fn room(&self) -> u64 {
        match self.is_validated {
            true => u64::MAX,
            false => (AMPLIFICATION * self.received).saturating_sub(self.sent),
        }
    }

    /// An authentic packet, the newest so far, came from another address.
    pub(crate) fn came_from(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: usize,
        challenge: impl FnOnce() -> [u8; 8],
    ) {
        if self.answered.is_some_and(|at| now < at + STAY) {
            return;
        }
        self.candidates.retain(|c| now.saturating_duration_since(c.since) < ANSWER_WITHIN);
        if let Some(candidate) = self.candidates.iter_mut().find(|c| c.address == from) {
            candidate.received += bytes as u64;
            return;
        }
        if self.candidates.len() == MAX_CANDIDATES {
            self.candidates.remove(0);
        }
        let (challenge, received) = (challenge(), bytes as u64);
        self.candidates.push(Candidate { address: from, challenge, since: now, ask_at: now, received, sent: 0 });
    }

    /// When an address is to be asked that may be sent `bytes`.
    pub(crate) fn ask_at(&self, bytes: usize) -> Option<Instant> {
        let has_room = self.has_room(bytes);
        self.candidates.iter().filter(|c| c.takes(bytes) && has_room(c)).map(|candidate| candidate.ask_at).min()
    }

    /// The address that the link is at may be a candidate itself; then all that goes there counts.
    fn has_room(&self, bytes: usize) -> impl Fn(&Candidate) -> bool + use<> {
        let (remote, room) = (self.remote, self.room());
        move |candidate| candidate.address != remote || bytes as u64 <= room
    }

    /// An address to be asked now, whom `bytes` may be sent.
    pub(crate) fn ask(&mut self, now: Instant, bytes: usize) -> Option<(SocketAddr, [u8; 8])> {
        let has_room = self.has_room(bytes);
        let due = self.candidates.iter_mut().find(|c| c.ask_at <= now && c.takes(bytes) && has_room(c))?;
        due.ask_at = now + ASK_AGAIN;
        due.sent += bytes as u64;
        Some((due.address, due.challenge))
    }

    /// An answer came. True: the peer is there from now on.
    pub(crate) fn answered(&mut self, now: Instant, from: SocketAddr, response: &[u8; 8]) -> bool {
        let is_right = self.candidates.iter().any(|c| c.address == from && c.challenge == *response);
        if is_right {
            *self = Self { local: self.local, answered: Some(now), ..Self::new(from, true) };
        }
        is_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn nothing_moves_before_the_new_address_has_answered_itself() {
        let now = Instant::now();
        let mut path = Path::new(address(1), true);
        path.came_from(now, address(2), 100, || *b"question");
        assert_eq!(path.ask(now, 50), Some((address(2), *b"question")));
        assert_eq!(path.ask(now, 50), None, "not at once again");
        assert!(!path.answered(now, address(3), b"question"));
        assert!(!path.answered(now, address(2), b"guessed!"));
        assert_eq!(path.remote(), address(1));
        assert!(path.answered(now, address(2), b"question"));
        assert_eq!(path.remote(), address(2));
        path.came_from(now, address(1), 100, || *b"so soon?");
        assert_eq!(path.ask(now, 50), None, "a move at a time");
        path.came_from(now + STAY, address(1), 100, || *b"and back");
        assert_eq!(path.ask(now + STAY, 50), Some((address(1), *b"and back")));
    }

    #[test]
    fn a_new_socket_does_not_send_from_the_address_of_the_old_one() {
        let (old, new) = (address(1).ip(), IpAddr::from([127, 0, 0, 2]));
        let mut path = Path::new(address(1), true);
        path.came_to(Some(old));
        assert_eq!(path.local(), Some(old));
        path.leave();
        assert_eq!(path.local(), None);
        path.came_to(Some(new));
        assert_eq!(path.local(), Some(new));
    }

    #[test]
    fn an_address_that_proved_nothing_gets_three_times_what_it_sent() {
        let now = Instant::now();
        let mut path = Path::new(address(1), false);
        path.received(address(1), 1_200);
        path.received(address(9), 100_000);
        path.sent(3_000);
        assert_eq!(path.room(), 600);
        path.came_from(now, address(2), 40, || [0; 8]);
        let asked = (0..1_000).filter(|n| path.ask(now + ASK_AGAIN * *n, 50).is_some()).count();
        assert_eq!(asked, 2);
    }

    #[test]
    fn an_address_that_is_asked_where_the_link_is_gets_no_more_than_that() {
        let now = Instant::now();
        let mut path = Path::new(address(1), false);
        path.received(address(1), 1_200);
        path.settle(now, || *b"question");
        path.sent(3_560);
        assert_eq!(path.ask_at(50), None);
        assert_eq!(path.ask(now, 50), None, "40 bytes are left");
        path.received(address(1), 10);
        assert_eq!(path.ask(now, 50), Some((address(1), *b"question")));
    }
}
