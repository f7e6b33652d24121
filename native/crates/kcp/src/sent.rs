//! Packets that were sent and what they carried, so that losing one means sending its contents again and never the
//! packet. One list for all levels, in the order of counters.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use petrel_streams::message::Entry;

use crate::packet::Level;

/// Lost packets stay known for as many later ones, so that one that was only late is recognised.
const LATE: u64 = 1024;

/// What has to reach the peer, or is to be known once it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Segment {
        stream: u64,
        range: Range<u64>,
        fin: bool,
    },
    Crypto(Range<u64>),
    /// An acknowledgement whose newest packet was this one.
    Ack(u64),
    Reset {
        stream: u64,
        code: u64,
    },
    Stop {
        stream: u64,
        code: u64,
    },
    Streams,
    Limit(Entry),
    Done,
    /// This packet asks whether the path takes its size.
    Probe,
}

impl Item {
    /// It names a place; to send it again twice is to send it once.
    fn is_place(&self) -> bool {
        matches!(self, Self::Segment { .. } | Self::Crypto(_) | Self::Limit(_) | Self::Ack(_) | Self::Probe)
    }
}

/// Most packets carry one item; more cost an allocation.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    first: Option<Item>,
    more: Vec<Item>,
}

impl Contents {
    pub(crate) fn push(&mut self, item: Item) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.more.push(item),
        }
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Item> + use<> {
        self.first.take().into_iter().chain(std::mem::take(&mut self.more))
    }

    /// What is sent once more while this packet may still arrive. Items of which nothing tells that they wait already
    /// move to the new packet: were they in both, the loss of both would make them more.
    pub(crate) fn again(&mut self) -> impl Iterator<Item = Item> + use<> {
        let all: Vec<Item> = self.take().collect();
        for item in all.iter().filter(|item| item.is_place()) {
            self.push(item.clone());
        }
        all.into_iter()
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn is_probe(&self) -> bool {
        self.first == Some(Item::Probe)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Flying,
    /// Lost, since so many later ones were acknowledged.
    Overtaken,
    /// Lost, since it takes too long.
    Overdue,
    /// Acknowledged, or of no interest any more.
    Over,
}

/// A packet that the peer acknowledges; the others are not remembered.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) counter: u64,
    pub(crate) at: Instant,
    pub(crate) bytes: u16,
    pub(crate) level: Level,
    /// There was nothing more to send.
    pub(crate) app_limited: bool,
    pub(crate) contents: Contents,
    pub(crate) fate: Fate,
}

#[derive(Debug, Default)]
pub(crate) struct SentPackets {
    /// In the order of counters, which may have gaps.
    packets: VecDeque<Sent>,
    next: u64,
    /// How many packets at the front are not flying.
    settled: usize,
    in_flight: u64,
    largest_acked: Option<u64>,
}

impl SentPackets {
    /// The first packet gets this counter.
    pub(crate) fn start_at(&mut self, counter: u64) {
        self.next = counter;
    }

    /// Packets that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// The counter of the next packet.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of packets that may still be acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    pub(crate) fn largest_acked(&self) -> Option<u64> {
        self.largest_acked
    }

    /// A packet left that nobody acknowledges.
    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        self.next = sent.counter + 1;
        self.in_flight += u64::from(sent.bytes);
        self.packets.push_back(sent);
    }

    /// Calls `each(packet, its fate so far)` for every packet of the range that was not acknowledged before, and was sent at
    /// `level`. False: the range has packets that were never sent.
    pub(crate) fn acknowledge(
        &mut self,
        level: Level,
        range: Range<u64>,
        mut each: impl FnMut(&mut Sent, Fate),
    ) -> bool {
        if range.end > self.next {
            return false;
        }
        let first = self.packets.partition_point(|sent| sent.counter < range.start);
        for sent in self.packets.range_mut(first..) {
            if sent.counter >= range.end {
                break;
            }
            if sent.fate == Fate::Over || sent.level != level {
                continue;
            }
            let before = std::mem::replace(&mut sent.fate, Fate::Over);
            if before == Fate::Flying {
                self.in_flight -= u64::from(sent.bytes);
            }
            self.largest_acked = self.largest_acked.max(Some(sent.counter));
            each(sent, before);
        }
        true
    }

    /// Asks for a verdict on the packets that fly, oldest first (None: no more of them), and calls `each` for the lost.
    pub(crate) fn lose(&mut self, mut verdict: impl FnMut(&Sent) -> Option<Fate>, mut each: impl FnMut(&mut Sent)) {
        self.tidy();
        for sent in self.packets.range_mut(self.settled..).filter(|sent| sent.fate == Fate::Flying) {
            match verdict(sent) {
                None => break,
                Some(Fate::Flying) => {}
                Some(fate) => {
                    sent.fate = fate;
                    self.in_flight -= u64::from(sent.bytes);
                    each(sent);
                }
            }
        }
        self.tidy();
    }

    /// Packets in flight, oldest first; those that only probe the path's size left out.
    pub(crate) fn oldest_flying(&mut self) -> impl Iterator<Item = &mut Sent> {
        let flying = |sent: &&mut Sent| sent.fate == Fate::Flying && !sent.contents.is_probe();
        self.packets.range_mut(self.settled..).filter(flying)
    }

    /// Forgets what was sent at a level whose keys are gone.
    pub(crate) fn drop_level(&mut self, level: Level) {
        for sent in self.packets.iter_mut().filter(|sent| sent.level == level) {
            if sent.fate == Fate::Flying {
                self.in_flight -= u64::from(sent.bytes);
            }
            sent.fate = Fate::Over;
        }
        self.tidy();
    }

    /// Moves on over what is settled, and forgets the oldest.
    fn tidy(&mut self) {
        while self.packets.get(self.settled).is_some_and(|sent| sent.fate != Fate::Flying) {
            self.settled += 1;
        }
        let late = self.largest_acked.unwrap_or(0).saturating_sub(LATE);
        while let Some(front) = self.packets.front() {
            let is_wanted = front.fate == Fate::Flying || (front.fate != Fate::Over && front.counter >= late);
            if is_wanted {
                break;
            }
            self.packets.pop_front();
            self.settled = self.settled.saturating_sub(1);
        }
    }
}
