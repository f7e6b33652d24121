//! The receiving side: puts segments in order, holds at most a window of them, knows what to acknowledge.

use std::collections::VecDeque;

use crate::config::{Config, Mode};
use crate::header::{InputError, is_before};
use crate::pool::Pool;

#[derive(Debug)]
struct Piece {
    fragment: u8,
    data: Vec<u8>,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    New,
    /// It was here before: acknowledge it again, the first acknowledgement may be lost.
    Again,
    /// Beyond the window: as if it had never come.
    Beyond,
}

#[derive(Debug)]
pub struct Receiver {
    mode: Mode,
    window: u16,
    longest: usize,
    /// The oldest segment that was not read has the number `first`, and so on.
    pieces: VecDeque<Option<Piece>>,
    first: u32,
    /// The number of the first segment that is missing.
    next: u32,
    /// Bytes of the oldest piece that have been read (streams only).
    read: usize,
    /// Segments in order that end a message.
    ends: usize,
    /// The first segment beyond what the peer was last told that it may send.
    told: u32,
}

impl Receiver {
    pub fn new(config: &Config) -> Self {
        Self {
            mode: config.mode,
            window: config.receive_window,
            longest: config.longest_segment,
            pieces: VecDeque::new(),
            first: config.first_sn,
            next: config.first_sn,
            read: 0,
            ends: 0,
            told: config.first_sn.wrapping_add(u32::from(config.receive_window)),
        }
    }

    /// What every header says: (una, wnd).
    pub fn tell(&mut self) -> (u32, u16) {
        self.told = self.limit();
        (self.next, self.limit().wrapping_sub(self.next) as u16)
    }

    pub fn next(&self) -> u32 {
        self.next
    }

    /// The peer may be waiting for a word on the window: what it knows of is used up, or less than half of what there is.
    pub fn has_news(&self) -> bool {
        let more = self.limit().wrapping_sub(self.told);
        more > 0 && (self.told == self.next || more >= u32::from(self.window).div_ceil(2))
    }

    /// Takes a copy of one segment.
    pub fn insert(&mut self, sn: u32, fragment: u8, data: &[u8], pool: &mut Pool) -> Result<Arrival, InputError> {
        if is_before(sn, self.next) {
            return Ok(Arrival::Again);
        }
        if !is_before(sn, self.limit()) {
            return Ok(Arrival::Beyond);
        }
        if data.len() > self.longest {
            return Err(InputError::TooLong(data.len()));
        }
        let at = sn.wrapping_sub(self.first) as usize;
        if matches!(self.pieces.get(at), Some(Some(_))) {
            return Ok(Arrival::Again);
        }
        if self.mode == Mode::Message && !self.may_stand(at, fragment) {
            return Err(InputError::Fragment(fragment));
        }
        if at >= self.pieces.len() {
            self.pieces.resize_with(at + 1, || None);
        }
        self.pieces[at] = Some(Piece { fragment, data: pool.copy(data) });
        while let Some(Some(piece)) = self.pieces.get(self.next.wrapping_sub(self.first) as usize) {
            self.ends += usize::from(piece.fragment == 0);
            self.next = self.next.wrapping_add(1);
        }
        Ok(Arrival::New)
    }

    pub fn is_readable(&self) -> bool {
        match self.mode {
            Mode::Stream => self.next != self.first,
            Mode::Message => self.ends > 0,
        }
    }

    /// Bytes of the next message, when it is here whole.
    pub fn message_bytes(&self) -> Option<usize> {
        if self.ends == 0 {
            return None;
        }
        let mut bytes = 0;
        for piece in self.pieces.iter().flatten() {
            bytes += piece.data.len();
            if piece.fragment == 0 {
                break;
            }
        }
        Some(bytes)
    }

    /// Copies the next message, which must be here and fit; returns its bytes.
    pub fn read_message(&mut self, into: &mut [u8], pool: &mut Pool) -> usize {
        let mut done = 0;
        while let Some(piece) = self.pop() {
            into[done..done + piece.data.len()].copy_from_slice(&piece.data);
            done += piece.data.len();
            pool.give(piece.data);
            if piece.fragment == 0 {
                break;
            }
        }
        done
    }

    /// Copies what is in order, as much as fits; returns how many bytes.
    pub fn read_stream(&mut self, into: &mut [u8], pool: &mut Pool) -> usize {
        let mut done = 0;
        while self.next != self.first {
            let Some(Some(piece)) = self.pieces.front() else { break };
            let rest = &piece.data[self.read..];
            let bytes = rest.len().min(into.len() - done);
            into[done..done + bytes].copy_from_slice(&rest[..bytes]);
            done += bytes;
            if bytes < rest.len() {
                self.read += bytes;
                break;
            }
            self.read = 0;
            if let Some(piece) = self.pop() {
                pool.give(piece.data);
            }
        }
        done
    }

    /// The first segment beyond what may be sent.
    fn limit(&self) -> u32 {
        self.first.wrapping_add(u32::from(self.window))
    }

    /// The oldest piece, if it is in order.
    fn pop(&mut self) -> Option<Piece> {
        if self.next == self.first {
            return None;
        }
        let piece = self.pieces.pop_front().flatten()?;
        self.ends -= usize::from(piece.fragment == 0);
        self.first = self.first.wrapping_add(1);
        Some(piece)
    }

    /// Fragments of a message count down to 0, without gap. A message that is longer than the window could never be read.
    fn may_stand(&self, at: usize, fragment: u8) -> bool {
        let neighbour = |at: Option<usize>| at.and_then(|at| self.pieces.get(at)?.as_ref()).map(|piece| piece.fragment);
        let follows = |before: u8, after: u8| before == 0 || before - 1 == after;
        u16::from(fragment) < self.window
            && neighbour(at.checked_sub(1)).is_none_or(|before| follows(before, fragment))
            && neighbour(at.checked_add(1)).is_none_or(|after| follows(fragment, after))
    }
}
