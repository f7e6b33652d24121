//! Where the peer is, and what may be sent there. A listener's link follows its peer to a new address once that address
//! has answered a challenge, and nothing newer comes from the old one: an observer who sends copies of packets on, and
//! challenges to the peer, answers as well, but the originals still come. PROTOCOL.md, "Addresses".

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
/// So long after a move an original from the old address undoes it.
const RETURN_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    /// Of the packet that it began with; the peer sends those after it from here, if this is its address.
    counter: u64,
    challenge: [u8; 8],
    since: Instant,
    ask_at: Instant,
    /// It has answered, and is moved to then.
    move_at: Option<Instant>,
    received: u64,
    sent: u64,
}

impl Candidate {
    fn takes(&self, bytes: usize) -> bool {
        self.move_at.is_none() && self.sent + bytes as u64 <= AMPLIFICATION * self.received
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
    /// When it last moved, or showed that it had not.
    settled: Option<Instant>,
    /// Where it was before, which packets it sends from elsewhere since, and until when one from there undoes the move.
    former: Option<(SocketAddr, u64, Instant)>,
    received: u64,
    sent: u64,
    candidates: Vec<Candidate>,
}

impl Path {
    pub(crate) fn new(remote: SocketAddr, is_validated: bool) -> Self {
        let candidates = Vec::new();
        let (settled, former) = (None, None);
        Self { remote, local: None, is_validated, has_moved: false, settled, former, received: 0, sent: 0, candidates }
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
            self.came_from(now, self.remote, 0, self.received as usize, challenge);
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

    /// Whether it would tell where the peer is if a packet from here were authentic, even one that has come before.
    pub(crate) fn is_contested(&self, from: SocketAddr, counter: u64) -> bool {
        let contests = |c: &Candidate| c.address != self.remote && c.counter <= counter;
        let was_here = self.former.is_some_and(|(address, first, _)| address == from && first <= counter);
        was_here || (from == self.remote && self.candidates.iter().any(contests))
    }

    /// An authentic packet came, or came again after a copy of it. True: the peer has never left where it was.
    pub(crate) fn heard(&mut self, now: Instant, from: SocketAddr, counter: u64) -> bool {
        if !self.is_contested(from, counter) {
            return false;
        }
        if from == self.remote {
            self.candidates.retain(|c| c.address == from || c.counter > counter);
            self.settled = Some(now);
            return false;
        }
        let is_in_time = self.former.take_if(|(.., until)| now < *until).is_some();
        if is_in_time {
            self.settle_at(now, from);
        }
        is_in_time
    }

    fn settle_at(&mut self, now: Instant, address: SocketAddr) {
        *self = Self { local: self.local, settled: Some(now), ..Self::new(address, true) };
    }

    /// An authentic packet, the newest so far, came from another address.
    pub(crate) fn came_from(
        &mut self,
        now: Instant,
        from: SocketAddr,
        counter: u64,
        bytes: usize,
        challenge: impl FnOnce() -> [u8; 8],
    ) {
        if self.settled.is_some_and(|at| now < at + STAY) {
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
        let (since, ask_at, move_at) = (now, now, None);
        let new = Candidate { address: from, counter, challenge, since, ask_at, move_at, received, sent: 0 };
        self.candidates.push(new);
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

    /// An answer came. rtt: by so long an original comes after its copy, at most. True: the peer is there from now on.
    pub(crate) fn answered(&mut self, now: Instant, from: SocketAddr, response: &[u8; 8], rtt: Duration) -> bool {
        let candidate = self.candidates.iter_mut().find(|c| c.address == from && c.challenge == *response);
        let Some(candidate) = candidate else { return false };
        let is_here = from == self.remote;
        candidate.move_at.get_or_insert(if is_here { now } else { now.max(candidate.since + rtt) });
        self.moves(now)
    }

    /// When the peer is believed to have moved.
    pub(crate) fn move_at(&self) -> Option<Instant> {
        self.candidates.iter().filter_map(|candidate| candidate.move_at).min()
    }

    /// True: the peer is elsewhere from now on.
    pub(crate) fn moves(&mut self, now: Instant) -> bool {
        let Some(due) = self.candidates.iter().find(|c| c.move_at.is_some_and(|at| at <= now)) else { return false };
        let (address, counter) = (due.address, due.counter);
        let former = (address != self.remote).then_some((self.remote, counter, now + RETURN_WITHIN));
        self.settle_at(now, address);
        self.former = former;
        true
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
        path.came_from(now, address(2), 7, 100, || *b"question");
        assert_eq!(path.ask(now, 50), Some((address(2), *b"question")));
        assert_eq!(path.ask(now, 50), None, "not at once again");
        assert!(!path.answered(now, address(3), b"question", Duration::ZERO));
        assert!(!path.answered(now, address(2), b"guessed!", Duration::ZERO));
        assert_eq!(path.remote(), address(1));
        assert!(path.answered(now, address(2), b"question", Duration::ZERO));
        assert_eq!(path.remote(), address(2));
        path.came_from(now, address(3), 8, 100, || *b"so soon?");
        assert_eq!(path.ask(now, 50), None, "a move at a time");
        path.came_from(now + STAY, address(1), 9, 100, || *b"and back");
        assert_eq!(path.ask(now + STAY, 50), Some((address(1), *b"and back")));
    }

    #[test]
    fn who_sends_copies_on_and_challenges_as_well_is_not_followed_while_the_originals_come() {
        let (now, rtt) = (Instant::now(), Duration::from_millis(100));
        let mut path = Path::new(address(1), true);
        path.came_from(now, address(2), 7, 100, || *b"question");
        assert!(!path.answered(now + rtt / 2, address(2), b"question", rtt), "an original takes so long");
        assert_eq!(path.move_at(), Some(now + rtt));
        assert!(!path.heard(now, address(1), 6) && path.move_at().is_some(), "it left before");
        assert!(path.is_contested(address(1), 7) && !path.heard(now, address(1), 7));
        assert!(path.move_at().is_none() && !path.moves(now + rtt));
        assert_eq!(path.remote(), address(1));
    }

    #[test]
    fn an_original_from_the_old_address_undoes_a_move_for_a_while() {
        let (now, rtt) = (Instant::now(), Duration::from_millis(100));
        for late in [RETURN_WITHIN / 2, RETURN_WITHIN] {
            let mut path = Path::new(address(1), true);
            path.came_from(now, address(2), 7, 100, || *b"question");
            assert!(!path.answered(now, address(2), b"question", rtt));
            assert!(path.moves(now + rtt) && path.remote() == address(2));
            assert!(!path.heard(now + rtt, address(1), 6), "it left before");
            let is_back = path.heard(now + rtt + late, address(1), 8);
            assert_eq!((is_back, path.remote() == address(1)), (late < RETURN_WITHIN, late < RETURN_WITHIN));
        }
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
        path.came_from(now, address(2), 0, 40, || [0; 8]);
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
