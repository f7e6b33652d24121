//! One end of one conversation. After each call that changes it, drain `poll_transmit` and `poll`, then wait until
//! `poll_timeout`; there is no interval and nothing is put off: acknowledgements and segments leave when polled. No number
//! of retries ends a conversation. Whoever owns it decides by time, and how it begins and ends: KCP has no word for that.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::config::{Config, Mode};
use crate::header::{Command, HEADER_BYTES, Header, InputError, is_before};
use crate::pool::Pool;
use crate::receiver::{Arrival, Receiver};
use crate::rto::Rto;
use crate::sender::{SendError, Sender, Why};

/// How long after the peer shut its window it is first asked for it. Only a lost word makes that necessary.
const PROBE_FIRST: Duration = Duration::from_millis(500);
/// Each wait is half as long again, up to this: a conversation must not stand for minutes because one more word was lost.
const PROBE_MAX: Duration = Duration::from_secs(10);

/// What a conversation has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `recv` has something again after it had nothing.
    Readable,
    /// `send` takes something again after it did not take all.
    Writable,
}

/// The next message is longer than the room for it. It stays.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("a message of {bytes} bytes does not fit")]
pub struct TooSmall {
    pub bytes: usize,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments with data that were sent, each time they were.
    pub sent: u64,
    /// Those of them that were sent again, early and by time.
    pub early: u64,
    pub late: u64,
    /// Segments that came again, and that came though the window was shut.
    pub again: u64,
    pub beyond: u64,
    /// Buffers that were made; stands still when all are used again.
    pub buffers: usize,
}

/// The window's asking: when the next one is due, and how long it is waited for after that.
#[derive(Debug, Clone, Copy)]
struct Probe {
    at: Instant,
    wait: Duration,
}

#[derive(Debug)]
pub struct Kcp {
    conversation: u32,
    config: Config,
    start: Instant,
    sender: Sender,
    receiver: Receiver,
    pool: Pool,
    /// (sn, ts) of what is to be acknowledged.
    acks: VecDeque<(u32, u32)>,
    probe: Option<Probe>,
    must_ask: bool,
    must_tell: bool,
    /// The reader, or the writer, waits for an event.
    reader_waits: bool,
    writer_waits: bool,
    stats: Stats,
}

impl Kcp {
    /// now: the moment when the clock shows `config.first_ts`. Panics when the configuration leaves no room for data.
    pub fn new(conversation: u32, config: Config, now: Instant) -> Self {
        assert!(config.mtu > HEADER_BYTES && config.longest_segment > 0, "no room for data in a packet");
        assert!(config.send_window > 0 && config.receive_window > 0, "a window without room");
        Self {
            conversation,
            start: now,
            sender: Sender::new(&config),
            receiver: Receiver::new(&config),
            pool: Pool::new(2 * usize::from(config.send_window) + usize::from(config.receive_window)),
            acks: VecDeque::new(),
            probe: None,
            must_ask: false,
            must_tell: false,
            reader_waits: true,
            writer_waits: false,
            stats: Stats::default(),
            config,
        }
    }

    // ---- packets and time ----

    /// Takes one packet of the peer. After an error, what stood before the fault counts and the rest is ignored; the
    /// conversation goes on.
    pub fn input(&mut self, now: Instant, packet: &[u8]) -> Result<(), InputError> {
        let mut rest = packet;
        let mut news = 0;
        let result = loop {
            let taken = Header::split(rest).and_then(|(header, data, after)| {
                rest = after;
                self.take(now, &header, data)
            });
            match taken {
                Ok(segments) => news += segments,
                Err(error) => break Err(error),
            }
            if rest.is_empty() {
                break Ok(());
            }
        };
        if news > 0 {
            self.sender.grow(news);
        }
        result
    }

    /// Appends one packet of at most `mtu` bytes. False: nothing may be sent now.
    pub fn poll_transmit(&mut self, now: Instant, into: &mut Vec<u8>) -> bool {
        let start = into.len();
        let end = start + self.config.mtu;
        self.probe(now);
        self.write_acks(into, end);
        self.write_words(into, end);
        self.write_segments(now, into, end);
        into.len() > start
    }

    /// When to call `poll_transmit` again, if nothing happens before.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let probe = self.probe.map(|probe| probe.at);
        self.sender.deadline().into_iter().chain(probe).min()
    }

    pub fn poll(&mut self) -> Option<Event> {
        if self.reader_waits && self.receiver.is_readable() {
            self.reader_waits = false;
            return Some(Event::Readable);
        }
        if self.writer_waits && !self.sender.is_full() {
            self.writer_waits = false;
            return Some(Event::Writable);
        }
        None
    }

    // ---- data ----

    /// Takes bytes to be sent, copied; returns how many. A message is taken whole or refused; of a stream's bytes as many
    /// are taken as there is room for, maybe none. `Writable` tells when there is room again.
    pub fn send(&mut self, data: &[u8]) -> Result<usize, SendError> {
        let taken = self.sender.push(data, &mut self.pool);
        self.writer_waits |= match taken {
            Ok(bytes) => bytes < data.len(),
            Err(error) => error == SendError::Full,
        };
        taken
    }

    /// The next message, or as many of the stream's bytes as fit; returns how many. None: nothing is here; `Readable`
    /// tells when something is.
    pub fn recv(&mut self, into: &mut [u8]) -> Result<Option<usize>, TooSmall> {
        let bytes = match self.config.mode {
            Mode::Stream => self.receiver.is_readable().then(|| self.receiver.read_stream(into, &mut self.pool)),
            Mode::Message => match self.receiver.message_bytes() {
                Some(bytes) if bytes > into.len() => return Err(TooSmall { bytes }),
                Some(_) => Some(self.receiver.read_message(into, &mut self.pool)),
                None => None,
            },
        };
        // A stream may carry empty segments; they are no bytes to tell of.
        let bytes =
            bytes.filter(|&bytes| bytes > 0 || self.config.mode == Mode::Message || self.receiver.is_readable());
        self.reader_waits = bytes.is_none();
        Ok(bytes)
    }

    /// Bytes of the next message, when it is here whole.
    pub fn message_bytes(&self) -> Option<usize> {
        self.receiver.message_bytes()
    }

    // ---- what is known ----

    /// Segments of ours that the peer does not have yet, as far as it has told.
    pub fn pending(&self) -> usize {
        self.sender.pending()
    }

    pub fn rto(&self) -> &Rto {
        self.sender.rto()
    }

    pub fn stats(&self) -> Stats {
        Stats { buffers: self.pool.made(), ..self.stats }
    }

    /// Takes one segment; returns how many of ours it acknowledges.
    fn take(&mut self, now: Instant, header: &Header, data: &[u8]) -> Result<u32, InputError> {
        if header.conversation != self.conversation {
            return Err(InputError::OtherConversation(header.conversation));
        }
        let acknowledged = (header.command == Command::Ack).then_some(header.sn);
        self.sender.check(acknowledged, header.una)?;
        match header.command {
            Command::Push => self.take_data(header, data)?,
            Command::Ask => self.must_tell = true,
            Command::Ack | Command::Tell => {}
        }
        // Before `una`, which may cover it: of a segment that is gone no time can be taken.
        let clock = self.clock(now);
        let one = acknowledged.map(|sn| self.sender.acknowledged(now, clock, sn, header.ts, &mut self.pool));
        Ok(one.unwrap_or(0) + self.sender.heard(header.una, header.window, &mut self.pool))
    }

    fn take_data(&mut self, header: &Header, data: &[u8]) -> Result<(), InputError> {
        match self.receiver.insert(header.sn, header.fragment, data, &mut self.pool)? {
            Arrival::New => {}
            Arrival::Again => self.stats.again += 1,
            Arrival::Beyond => {
                self.stats.beyond += 1;
                return Ok(());
            }
        }
        // A peer that sends the same again and again gets no more answers than the window has segments.
        if self.acks.len() > usize::from(self.config.receive_window) {
            self.acks.pop_front();
        }
        self.acks.push_back((header.sn, header.ts));
        Ok(())
    }

    /// Milliseconds on the wire.
    fn clock(&self, now: Instant) -> u32 {
        self.config.first_ts.wrapping_add(now.saturating_duration_since(self.start).as_millis() as u32)
    }

    fn probe(&mut self, now: Instant) {
        if !self.sender.is_shut() {
            self.probe = None;
            return;
        }
        let wait = match self.probe {
            Some(probe) if now < probe.at => return,
            Some(probe) => {
                self.must_ask = true;
                (probe.wait + probe.wait / 2).min(PROBE_MAX)
            }
            None => PROBE_FIRST,
        };
        self.probe = Some(Probe { at: now + wait, wait });
    }

    /// What `una` covers needs no acknowledgement of its own, but the newest one tells the time.
    fn write_acks(&mut self, into: &mut Vec<u8>, end: usize) {
        while into.len() + HEADER_BYTES <= end
            && let Some((sn, ts)) = self.acks.pop_front()
        {
            if self.acks.is_empty() || !is_before(sn, self.receiver.next()) {
                let header = self.header(Command::Ack, ts, sn);
                header.write(&[], into);
            }
        }
    }

    fn write_words(&mut self, into: &mut Vec<u8>, end: usize) {
        if self.must_ask && into.len() + HEADER_BYTES <= end {
            self.must_ask = false;
            self.header(Command::Ask, 0, 0).write(&[], into);
        }
        if (self.must_tell || self.receiver.has_news()) && into.len() + HEADER_BYTES <= end {
            self.must_tell = false;
            self.header(Command::Tell, 0, 0).write(&[], into);
        }
    }

    fn write_segments(&mut self, now: Instant, into: &mut Vec<u8>, end: usize) {
        let ts = self.clock(now);
        while let Some(due) = self.sender.due(now) {
            if into.len() + HEADER_BYTES + due.data.len() > end {
                break;
            }
            let (sn, why) = (due.sn, due.why);
            let conversation = self.conversation;
            let (una, window) = self.receiver.tell();
            Header { conversation, command: Command::Push, fragment: due.fragment, window, ts, sn, una }
                .write(due.data, into);
            self.sender.sent(now, ts, sn, why);
            self.stats.sent += 1;
            self.stats.early += u64::from(why == Why::Early);
            self.stats.late += u64::from(why == Why::Late);
        }
    }

    /// A header without data. It tells the window.
    fn header(&mut self, command: Command, ts: u32, sn: u32) -> Header {
        let (una, window) = self.receiver.tell();
        Header { conversation: self.conversation, command, fragment: 0, window, ts, sn, una }
    }
}
