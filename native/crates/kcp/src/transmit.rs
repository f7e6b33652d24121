//! What leaves next. One packet a datagram; as many of one size as the socket takes at once. Acknowledgements and the
//! small frames go first, then datagrams in packets of their own, then streams in turn, what was lost before what is new.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Instant;

use petrel_link::Transmit;
use petrel_streams::varint;

use crate::connection::{Connection, Life};
use crate::frame;
use crate::packet::{self, HEADER, Header, Initial, LEVELS, Level, MIN_PATH, TAG, VERSION};
use crate::send_stream::Segment;
use crate::sent::{Contents, Fate, Item, Sent};

/// Packets that only acknowledge before one asks to be acknowledged itself, so that what was told can be forgotten.
const UNASKED: u32 = 16;
/// Packets remembered until they are acknowledged, however small: more than a gigabit a second fills in half a second.
const MAX_SENT: usize = 64 * 1024;
/// And so many that leave whatever the window says.
const SPARE: usize = 1024;
/// A segment with less than this is not worth its head.
const MIN_SEGMENT: usize = 16;
/// Small frames that wait before the peer may open no more streams.
const MAX_ITEMS: usize = 8192;
/// A challenge's packet is as long as this.
pub(crate) const CHALLENGE: usize = HEADER + 9 + TAG;
/// Of a listener; a dialler may send what it likes.
const LONGEST_FAREWELL: usize = HEADER + packet::MAX_TOKEN + 64 + frame::MAX_REASON;

/// What one packet became.
struct Built {
    contents: Contents,
    is_eliciting: bool,
    is_datagram: bool,
}

impl Connection {
    pub(crate) fn transmit(&mut self, now: Instant, segments: NonZeroUsize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        match self.life {
            Life::Over | Life::Draining(_) => return None,
            Life::Closing(_) => return self.transmit_farewell(now, buffer),
            Life::Open => {}
        }
        if let Some((address, challenge)) = self.path.ask(now, CHALLENGE) {
            let start = self.begin(Level::Data, buffer)?;
            frame::put_challenge(&challenge, buffer);
            self.end(
                now,
                start,
                Built { contents: Contents::default(), is_eliciting: false, is_datagram: false },
                buffer,
            )?;
            return Some(self.transmit_to(address, buffer.len(), None));
        }
        if let Some(size) = self.mtu.probe(now).filter(|size| self.may_probe(now, *size)) {
            return self.transmit_probe(now, size, buffer);
        }
        let mut segment = None;
        for _ in 0..segments.get() {
            let start = buffer.len();
            let limit = segment.unwrap_or(usize::MAX).min(self.largest());
            let Some(is_datagram) = self.packet(now, limit, buffer) else { break };
            let size = buffer.len() - start;
            // All are of the first one's size but the last, which may be smaller.
            let is_first = segment.is_none();
            let first = *segment.get_or_insert(size);
            let is_next_alike = is_datagram && self.datagrams_out.front().is_some_and(|d| d.len() + overhead() <= size);
            if size < first || (is_first && size < limit && !is_next_alike) {
                break;
            }
        }
        let size = buffer.len();
        segment.map(|segment| self.transmit_to(self.path.remote(), size, (segment < size).then_some(segment)))
    }

    /// Largest packet now. The probes of a timeout are as small as every path takes: the path may have become small.
    fn largest(&self) -> usize {
        if self.timeouts > 0 && self.probes > 0 { MIN_PATH } else { self.mtu.current() }
    }

    /// Appends one packet of at most `limit` bytes. Returns whether it is a datagram's; None: there is nothing to send.
    fn packet(&mut self, now: Instant, limit: usize, buffer: &mut Vec<u8>) -> Option<bool> {
        let limit = limit.min(self.path.room().min(usize::MAX as u64) as usize);
        let wants = LEVELS.map(|level| self.keys.has(level) && self.has_data(level));
        let may_send = wants.contains(&true) && self.may_send(now, limit);
        for level in LEVELS {
            let wants_data = wants[level as usize] && may_send;
            if !self.keys.has(level) || !(wants_data || self.received[level as usize].is_due) {
                continue;
            }
            let start = self.begin(level, buffer)?;
            let end = (start.1 + limit).saturating_sub(TAG);
            let built = match buffer.len() < end {
                true => self.fill(now, level, wants_data, end, buffer),
                false => None,
            };
            let Some(built) = built else {
                buffer.truncate(start.1);
                continue;
            };
            let is_datagram = built.is_datagram;
            self.end(now, start, built, buffer)?;
            if level == Level::Handshake && self.is_dialer {
                self.drop_level(Level::Initial);
            }
            return Some(is_datagram);
        }
        if !wants.contains(&true) {
            self.app_limited = true;
        }
        None
    }

    /// Whether there is anything that asks to be acknowledged.
    fn has_data(&mut self, level: Level) -> bool {
        let crypto = level < Level::Data && self.handshake.out(level).has_more();
        // A timeout with nothing to send again asks with the keys that the peer surely has.
        let ping = self.wants_ping && (level == Level::Data || !self.keys.has(Level::Data));
        let small = !(self.items.is_empty() && self.responses.is_empty() && self.limits.is_empty());
        let data = level == Level::Data
            && self.is_connected
            && (small || !self.datagrams_out.is_empty() || self.streams.has_ready() || self.may_allow());
        crypto || ping || data
    }

    /// Whether the peer is to be told of more streams. Not while it leaves unheard how many of them have ended.
    fn may_allow(&self) -> bool {
        self.streams.is_due() && self.items.len() < MAX_ITEMS
    }

    /// Whether window and pace let a packet leave that counts.
    fn may_send(&mut self, now: Instant, limit: usize) -> bool {
        if self.probes > 0 {
            return self.sent.len() < MAX_SENT + SPARE;
        }
        if self.sent.in_flight() + limit as u64 > self.control.window() || self.sent.len() >= MAX_SENT {
            self.app_limited = false;
            return false;
        }
        let Some(rate) = self.control.pacing_rate() else { return true };
        let least = self.control.quantum();
        if self.pacer.may_send(now, rate, least) {
            return true;
        }
        self.app_limited = false;
        self.pace_at = Some(self.pacer.next(rate, least));
        false
    }

    /// A probe that filled the window would keep back what has to come after it for its loss to be seen.
    fn may_probe(&mut self, now: Instant, size: usize) -> bool {
        let has_room = 2 * size as u64 <= self.control.window();
        has_room && self.is_confirmed && self.probes == 0 && self.timeouts == 0 && self.may_send(now, size)
    }

    // ---- one packet ----

    /// Appends a header. Returns it and where the packet starts.
    fn begin(&mut self, level: Level, buffer: &mut Vec<u8>) -> Option<(Header, usize)> {
        let start = buffer.len();
        let phase = level == Level::Data && self.keys.phase();
        let is_initial = level == Level::Initial;
        let initial = is_initial.then_some(Initial { version: VERSION, from: self.own, token: 0..0 });
        let counter = self.sent.next();
        let mut header = Header { level, phase, to: self.peer, counter, initial, len: 0 };
        packet::put_header(&header, &self.token, buffer);
        header.len = buffer.len() - start;
        Some((header, start))
    }

    /// Seals the packet and remembers it.
    fn end(
        &mut self,
        now: Instant,
        (header, start): (Header, usize),
        built: Built,
        buffer: &mut Vec<u8>,
    ) -> Option<()> {
        if header.level == Level::Initial && self.is_dialer {
            let short = (start + MIN_PATH - TAG).saturating_sub(buffer.len());
            buffer.resize(buffer.len() + short, 0);
        }
        let level = header.level;
        if !self.keys.seal(&header, start, buffer) {
            buffer.truncate(start);
            return None;
        }
        let size = buffer.len() - start;
        let Built { contents, is_eliciting, .. } = built;
        if is_eliciting {
            if self.sent.in_flight() == 0 {
                self.unanswered = None;
            }
            self.unanswered.get_or_insert(now);
            self.sent.push(Sent {
                counter: header.counter,
                at: now,
                bytes: size as u16,
                level,
                app_limited: self.app_limited,
                contents,
                fate: Fate::Flying,
            });
            // A listener that lacks the end of the handshake hears no data, so data must not put off the timeout.
            if level < Level::Data || self.is_confirmed {
                self.last_eliciting = now;
            }
            self.unasked = 0;
            self.probes = self.probes.saturating_sub(1);
            self.pacer.spend(size as u64);
        } else {
            self.sent.skip();
            self.unasked += 1;
        }
        self.path.sent(size);
        self.stats.sent_packets += 1;
        self.stats.sent_bytes += size as u64;
        Some(())
    }

    /// Appends frames up to `end`. None: nothing is worth a packet.
    fn fill(&mut self, now: Instant, level: Level, may_send: bool, end: usize, buffer: &mut Vec<u8>) -> Option<Built> {
        let mut built = Built { contents: Contents::default(), is_eliciting: false, is_datagram: false };
        let start = buffer.len();
        let received = &mut self.received[level as usize];
        if received.is_due
            && let Some(newest) = received.put(now, end - start, buffer)
        {
            built.contents.push(Item::Ack(newest));
        }
        let acknowledged = buffer.len();
        if may_send {
            if level == Level::Data {
                self.fill_data(&mut built, end, buffer);
            } else {
                self.fill_crypto(level, &mut built, end, buffer);
            }
        }
        let has_room = self.sent.in_flight() < self.control.window() && self.sent.len() < MAX_SENT;
        let is_asking = self.unasked >= UNASKED && has_room;
        let wants_ping = (may_send && std::mem::take(&mut self.wants_ping)) || is_asking;
        if wants_ping && buffer.len() == acknowledged && buffer.len() < end {
            frame::put_ping(buffer);
        }
        built.is_eliciting = buffer.len() > acknowledged;
        (buffer.len() > start).then_some(built)
    }

    fn fill_crypto(&mut self, level: Level, built: &mut Built, end: usize, buffer: &mut Vec<u8>) {
        let out = self.handshake.out(level);
        while out.has_more() && buffer.len() + frame::CRYPTO_OVERHEAD + MIN_SEGMENT <= end {
            let Some(Segment { range, .. }) = out.take((end - buffer.len() - frame::CRYPTO_OVERHEAD) as u64) else {
                break;
            };
            let mut bytes = Vec::new();
            out.copy(&range, &mut bytes);
            frame::put_crypto(range.start, &bytes, buffer);
            built.contents.push(Item::Crypto(range));
        }
    }

    fn fill_data(&mut self, built: &mut Built, end: usize, buffer: &mut Vec<u8>) {
        let before = buffer.len();
        self.fill_small(built, end, buffer);
        if let Some(payload) = self.datagrams_out.front() {
            if buffer.len() == before && buffer.len() + 1 + payload.len() <= end {
                frame::put_datagram(payload, buffer);
                self.pop_datagram();
                built.is_datagram = true;
            } else if payload.len() + overhead() > self.mtu.current() {
                // The path has become smaller.
                self.pop_datagram();
            }
            // One that does not fit has the next packet for itself, before streams.
            if built.is_datagram || !self.datagrams_out.is_empty() {
                return;
            }
        }
        self.fill_streams(built, end, buffer);
    }

    fn pop_datagram(&mut self) {
        if let Some(payload) = self.datagrams_out.pop_front() {
            self.datagrams_out_bytes -= payload.len() + 1;
        }
    }

    fn fill_small(&mut self, built: &mut Built, end: usize, buffer: &mut Vec<u8>) {
        let fits = |buffer: &Vec<u8>| buffer.len() + frame::MAX_SMALL <= end;
        while fits(buffer)
            && let Some(item) = self.items.pop_front()
        {
            match item {
                Item::Done => frame::put_done(buffer),
                Item::Reset { stream, code } => frame::put_reset(stream, code, buffer),
                Item::Stop { stream, code } => frame::put_stop(stream, code, buffer),
                Item::Streams => frame::put_streams(self.streams.peer_may_open(), buffer),
                // The others are never queued.
                _ => continue,
            }
            built.contents.push(item);
        }
        while fits(buffer)
            && let Some(response) = self.responses.pop_front()
        {
            frame::put_response(&response, buffer);
        }
        if fits(buffer) && self.may_allow() {
            frame::put_streams(self.streams.peer_may_open(), buffer);
            built.contents.push(Item::Streams);
        }
        while fits(buffer)
            && let Some((_, entry)) = self.limits.pop_first()
        {
            frame::put_limit(entry, buffer);
            built.contents.push(Item::Limit(entry));
        }
    }

    fn fill_streams(&mut self, built: &mut Built, end: usize, buffer: &mut Vec<u8>) {
        while let Some(number) = self.streams.next() {
            let Some(stream) = self.streams.stream(number).filter(|stream| !stream.sent) else { continue };
            let head = frame::segment_head(number, stream.send.offset());
            let room = end.saturating_sub(buffer.len() + head);
            if room < MIN_SEGMENT {
                self.streams.queue(number);
                return;
            }
            let Some(Segment { range, fin }) = stream.send.take(room as u64) else { continue };
            let len = (range.end - range.start) as usize;
            // Another stream may follow if its length has a place.
            let is_last = len + varint::len(len as u64) + MIN_SEGMENT > room;
            frame::put_segment_head(number, range.start, len, fin, is_last, buffer);
            stream.send.copy(&range, buffer);
            built.contents.push(Item::Segment { stream: number, range, fin });
            self.streams.queue(number);
            if is_last {
                return;
            }
        }
    }

    // ---- packets of their own ----

    fn transmit_probe(&mut self, now: Instant, size: usize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let start = self.begin(Level::Data, buffer)?;
        frame::put_ping(buffer);
        buffer.resize(size - TAG, 0);
        let mut contents = Contents::default();
        contents.push(Item::Probe);
        self.mtu.probe_sent(start.0.counter);
        self.end(now, start, Built { contents, is_eliciting: true, is_datagram: false }, buffer)?;
        Some(self.transmit_to(self.path.remote(), buffer.len(), None))
    }

    fn transmit_farewell(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if self.path.room() < LONGEST_FAREWELL as u64 {
            return None;
        }
        let farewell = self.farewell.as_mut()?;
        // Keys may be gone since.
        farewell.levels.retain(|level| self.keys.has(*level));
        let level = farewell.levels.pop()?;
        let (is_fault, code, reason) = (farewell.is_fault, farewell.code, farewell.reason.clone());
        let start = self.begin(level, buffer)?;
        frame::put_close(is_fault, code, &reason, buffer);
        self.end(now, start, Built { contents: Contents::default(), is_eliciting: false, is_datagram: false }, buffer)?;
        Some(self.transmit_to(self.path.remote(), buffer.len(), None))
    }

    fn transmit_to(&self, destination: SocketAddr, size: usize, segment_size: Option<usize>) -> Transmit {
        Transmit { destination, source: self.path.local(), ecn: None, size, segment_size }
    }
}

/// Bytes of a datagram's packet beyond its payload.
const fn overhead() -> usize {
    HEADER + 1 + TAG
}
