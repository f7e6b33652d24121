//! All streams of one link: numbers, how many may be open, and who sends next. PROTOCOL.md, "Streams".

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use petrel_link::Reading;

use crate::connection::STREAM_SEND_BYTES;
use crate::ranges::Ranges;
use crate::send_stream::SendStream;

/// The receiving half: pieces wait here for no longer than the driver's next call.
#[derive(Debug, Default)]
pub(crate) struct ReceiveStream {
    pieces: Vec<(u64, Bytes)>,
    came: Ranges,
    end: Option<u64>,
    reset: Option<u64>,
    /// Nothing more is taken: it was read to its end, reset, or given up by us.
    pub(crate) is_done: bool,
    /// The driver has been told and has not read since.
    is_told: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) send: SendStream,
    pub(crate) receive: ReceiveStream,
    /// Nothing more is sent: reset, or acknowledged to the end.
    pub(crate) sent: bool,
    /// The writer was refused and waits; and it stands in the list of those.
    is_waiting: bool,
    is_listed: bool,
    /// In one of the queues of those that send.
    is_lost: bool,
    is_ready: bool,
}

/// What no honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// A byte beyond the end, or two ends.
    TwoEnds,
    /// More holes than any pattern of loss makes: 64 MiB of smallest packets with every second one lost has 28,000.
    Holes,
}

const MAX_HOLES: usize = 32 * 1024;
/// Of all streams together: 288 MiB of smallest packets, lost at random, have 63,000 at most.
const MAX_LINK_RANGES: usize = 64 * 1024;

impl Stream {
    /// Bytes of it were acknowledged. True: its writer waits no longer, since few are left.
    pub(crate) fn has_drained(&mut self) -> bool {
        self.send.held() <= STREAM_SEND_BYTES / 2 && std::mem::take(&mut self.is_waiting)
    }
}

impl ReceiveStream {
    /// True: the driver is to be told.
    pub(crate) fn insert(&mut self, offset: u64, fin: bool, data: Bytes) -> Result<bool, Contradiction> {
        let end = offset + data.len() as u64;
        let highest = self.came.descending().next().map_or(0, |range| range.end);
        let beyond = self.end.is_some_and(|known| end > known || (fin && end != known));
        if beyond || (fin && end < highest) {
            return Err(Contradiction::TwoEnds);
        }
        if self.is_done {
            return Ok(false);
        }
        let is_end = fin && self.end.replace(end).is_none();
        let is_new = self.came.insert(offset..end) > 0;
        if self.came.len() > MAX_HOLES {
            return Err(Contradiction::Holes);
        }
        if is_new {
            self.pieces.push((offset, data));
        }
        Ok((is_new || is_end) && !std::mem::replace(&mut self.is_told, true))
    }

    /// Disjoint ranges of bytes that came.
    pub(crate) fn ranges(&self) -> usize {
        self.came.len()
    }

    pub(crate) fn reset(&mut self, code: u64) -> bool {
        if self.is_done || self.reset.is_some() {
            return false;
        }
        self.reset = Some(code);
        self.pieces = Vec::new();
        !std::mem::replace(&mut self.is_told, true)
    }

    pub(crate) fn read(&mut self, take: &mut dyn FnMut(u64, &[u8])) -> Reading {
        self.is_told = false;
        if let Some(code) = self.reset {
            self.is_done = true;
            return Reading::Reset(code);
        }
        for (offset, data) in self.pieces.drain(..) {
            take(offset, &data);
        }
        // Not by looking for holes: the peer chooses how many there are, and how often this is asked.
        let is_whole = self.end.is_some_and(|end| end == 0 || self.came.first() == Some(0..end));
        if is_whole {
            self.is_done = true;
            self.came = Ranges::default();
            return Reading::Finished;
        }
        Reading::Open
    }

    /// We want no more.
    pub(crate) fn give_up(&mut self) {
        *self = Self { is_done: true, end: self.end, ..Self::default() };
    }
}

/// Streams are numbered as in QUIC: the lowest bit tells who opened it (0: the dialler), the next is 0.
#[derive(Debug)]
pub(crate) struct Streams {
    map: HashMap<u64, Stream>,
    side: u64,
    /// Of ours: how many we have opened, have begun (a later one begins those before it), and may open.
    opened: u64,
    begun: u64,
    may_open: u64,
    pub(crate) wants_open: bool,
    /// Of the peer's: how many it has opened and ended, may have open at once, and was told that it may open in all.
    peer_opened: u64,
    peer_ended: u64,
    peer_at_once: u64,
    peer_told: u64,
    /// Ranges that came of all streams; those of streams that are over may still be counted.
    ranges: usize,
    /// Who has something to send: what was lost goes first.
    lost: VecDeque<u64>,
    ready: VecDeque<u64>,
    /// Whose writers wait.
    waiting: Vec<u64>,
}

/// What a frame's stream number means.
pub(crate) enum Found<'a> {
    Here(&'a mut Stream),
    /// It has ended, and what comes for it is late.
    Over,
    /// It cannot be.
    Impossible,
}

impl Streams {
    pub(crate) fn new(is_dialer: bool, peer_at_once: u64) -> Self {
        Self {
            map: HashMap::new(),
            side: u64::from(!is_dialer),
            opened: 0,
            begun: 0,
            may_open: 0,
            wants_open: false,
            peer_opened: 0,
            peer_ended: 0,
            peer_at_once,
            peer_told: peer_at_once,
            ranges: 0,
            lost: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: Vec::new(),
        }
    }

    pub(crate) fn stream(&mut self, number: u64) -> Option<&mut Stream> {
        self.map.get_mut(&number)
    }

    pub(crate) fn open(&mut self) -> Option<u64> {
        if self.opened >= self.may_open {
            self.wants_open = true;
            return None;
        }
        let number = 4 * self.opened + self.side;
        self.opened += 1;
        self.map.insert(number, Stream::default());
        Some(number)
    }

    /// A stream has so many ranges now and had others before. False: all together have too many.
    pub(crate) fn count_ranges(&mut self, before: usize, now: usize) -> bool {
        self.ranges = (self.ranges + now).saturating_sub(before);
        if self.ranges > MAX_LINK_RANGES {
            self.ranges = self.map.values().map(|stream| stream.receive.ranges()).sum();
        }
        self.ranges <= MAX_LINK_RANGES
    }

    /// Something of this stream is about to leave.
    pub(crate) fn begin(&mut self, number: u64) {
        if number & 1 == self.side {
            self.begun = self.begun.max(number / 4 + 1);
        }
    }

    /// The peer lets us open so many in all. True: whoever waited may go on.
    pub(crate) fn allow(&mut self, most: u64) -> bool {
        self.may_open = self.may_open.max(most);
        self.opened < self.may_open && std::mem::take(&mut self.wants_open)
    }

    /// How many the peer may open in all; told when `is_due` or after a loss.
    pub(crate) fn peer_may_open(&mut self) -> u64 {
        self.peer_told = self.peer_ended + self.peer_at_once;
        self.peer_told
    }

    /// Whether the peer is to be told of more: when a quarter of what it may have is free again.
    pub(crate) fn is_due(&self) -> bool {
        let may = self.peer_ended + self.peer_at_once;
        may > self.peer_told && may - self.peer_told >= (self.peer_at_once / 4).max(1)
    }

    pub(crate) fn raise(&mut self, peer_at_once: u64) {
        self.peer_at_once = self.peer_at_once.max(peer_at_once);
    }

    /// Finds the stream of a frame; `opened` hears of each that it opens, and of those before it.
    pub(crate) fn find(&mut self, number: u64, mut opened: impl FnMut(u64)) -> Found<'_> {
        let index = number / 4;
        if number & 2 != 0 {
            return Found::Impossible;
        }
        if number & 1 == self.side {
            // One that is only opened ahead has nobody yet who reads it, so what came would stay.
            if index >= self.begun {
                return Found::Impossible;
            }
        } else {
            if index >= self.peer_told {
                return Found::Impossible;
            }
            while self.peer_opened <= index {
                let new = 4 * self.peer_opened + (1 - self.side);
                self.map.insert(new, Stream::default());
                self.peer_opened += 1;
                opened(new);
            }
        }
        self.map.get_mut(&number).map_or(Found::Over, Found::Here)
    }

    /// Drops a stream whose both halves are over.
    pub(crate) fn tidy(&mut self, number: u64) {
        if self.map.get(&number).is_some_and(|stream| stream.sent && stream.receive.is_done) {
            self.map.remove(&number);
            if number & 1 != self.side {
                self.peer_ended += 1;
            }
        }
    }

    /// Gives the stream a place in the queue of those that send, if it has something to send and no place yet. One whose
    /// bytes were lost does not wait in the queue of new bytes.
    pub(crate) fn queue(&mut self, number: u64) {
        let Some(stream) = self.map.get_mut(&number).filter(|stream| !stream.sent) else { return };
        if stream.send.has_lost() {
            if !std::mem::replace(&mut stream.is_lost, true) {
                self.lost.push_back(number);
            }
        } else if stream.send.has_more() && !std::mem::replace(&mut stream.is_ready, true) {
            self.ready.push_back(number);
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        !(self.lost.is_empty() && self.ready.is_empty())
    }

    /// The stream whose turn it is; `queue` it again afterwards.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let lost = self.lost.pop_front();
        let number = lost.or_else(|| self.ready.pop_front())?;
        if let Some(stream) = self.map.get_mut(&number) {
            let is_queued = if lost.is_some() { &mut stream.is_lost } else { &mut stream.is_ready };
            *is_queued = false;
        }
        Some(number)
    }

    /// The stream's writer waits for room.
    pub(crate) fn wait(&mut self, number: u64) {
        let Some(stream) = self.map.get_mut(&number) else { return };
        stream.is_waiting = true;
        if !std::mem::replace(&mut stream.is_listed, true) {
            self.waiting.push(number);
        }
    }

    /// Those whose writers wait, which wait no longer.
    pub(crate) fn take_waiting(&mut self) -> impl Iterator<Item = u64> {
        let map = &mut self.map;
        let is_there = |number: &u64| {
            let Some(stream) = map.get_mut(number) else { return false };
            stream.is_listed = false;
            std::mem::take(&mut stream.is_waiting)
        };
        std::mem::take(&mut self.waiting).into_iter().filter(is_there)
    }

    /// Bytes, and ranges and chunks, of all streams.
    pub(crate) fn held(&self) -> (u64, usize) {
        let each = self.map.values().map(|Stream { send, receive, .. }| {
            let unread: usize = receive.pieces.iter().map(|(_, data)| data.len()).sum();
            (send.held() + unread as u64, 1 + send.parts() + receive.came.len() + receive.pieces.len())
        });
        let queued = self.lost.len() + self.ready.len();
        each.fold((0, queued), |(bytes, parts), (b, p)| (bytes + b, parts + p))
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.lost.clear();
        self.ready.clear();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_to_its_end_when_no_hole_is_left() {
        let mut stream = ReceiveStream::default();
        let mut insert = |offset, fin, data| {
            stream.insert(offset, fin, Bytes::from_static(data)).expect("no contradiction");
            stream.read(&mut |_, _| {})
        };
        assert_eq!(insert(4, true, b"e"), Reading::Open);
        assert_eq!(insert(0, false, b"ab"), Reading::Open);
        assert_eq!(insert(1, false, b"bcd"), Reading::Finished);
        let mut empty = ReceiveStream::default();
        assert_eq!(empty.insert(0, true, Bytes::new()), Ok(true));
        assert_eq!(empty.read(&mut |_, _| {}), Reading::Finished);
    }
}
