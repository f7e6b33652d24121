//! The wire: 24 bytes, little endian, before each segment; a packet is a row of segments. Serial numbers and times wrap.

use thiserror::Error;

/// conv u32, cmd u8, frg u8, wnd u16, ts u32, sn u32, una u32, len u32.
pub const HEADER_BYTES: usize = 24;

/// Why (the rest of) a packet was not taken. What stood before the fault counts; none of these changes anything.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum InputError {
    #[error("{0} bytes where a segment's header has {HEADER_BYTES}")]
    Truncated(usize),
    #[error("a segment of conversation {0}")]
    OtherConversation(u32),
    #[error("unknown command {0}")]
    UnknownCommand(u8),
    #[error("a length of {0} where {1} bytes follow")]
    Length(u32, usize),
    #[error("a segment of {0} bytes, more than is taken")]
    TooLong(usize),
    #[error("serial number {0} is spoken of before it was sent")]
    NotSent(u32),
    #[error("fragment number {0} is impossible there")]
    Fragment(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Carries data.
    Push = 81,
    /// Acknowledges `sn`, sent at `ts`.
    Ack = 82,
    /// Asks for the receiver's window.
    Ask = 83,
    /// Tells the receiver's window, as every header does.
    Tell = 84,
}

/// One segment's header. The length is not in it: it is the data's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub conversation: u32,
    pub command: Command,
    /// How many fragments of the message follow this one.
    pub fragment: u8,
    /// Segments that the sender of this header can still take, from `una` on.
    pub window: u16,
    /// The sender's clock, milliseconds; in an acknowledgement the clock of what it answers.
    pub ts: u32,
    pub sn: u32,
    /// All before this one have arrived.
    pub una: u32,
}

impl Header {
    /// Takes one segment off the front of a packet: its header, its data, the rest.
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8], &[u8]), InputError> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(InputError::Truncated(bytes.len()));
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let command = match head[4] {
            81 => Command::Push,
            82 => Command::Ack,
            83 => Command::Ask,
            84 => Command::Tell,
            other => return Err(InputError::UnknownCommand(other)),
        };
        let bytes = word(20);
        let Some((data, rest)) = usize::try_from(bytes).ok().and_then(|bytes| rest.split_at_checked(bytes)) else {
            return Err(InputError::Length(bytes, rest.len()));
        };
        let header = Self {
            conversation: word(0),
            command,
            fragment: head[5],
            window: u16::from_le_bytes([head[6], head[7]]),
            ts: word(8),
            sn: word(12),
            una: word(16),
        };
        Ok((header, data, rest))
    }

    /// Appends the segment.
    pub fn write(&self, data: &[u8], into: &mut Vec<u8>) {
        into.extend_from_slice(&self.conversation.to_le_bytes());
        into.extend_from_slice(&[self.command as u8, self.fragment]);
        into.extend_from_slice(&self.window.to_le_bytes());
        for word in [self.ts, self.sn, self.una, data.len() as u32] {
            into.extend_from_slice(&word.to_le_bytes());
        }
        into.extend_from_slice(data);
    }
}

/// Whether `a` comes before `b` in numbers that wrap: less than half of them lie between.
pub(crate) fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    //                     conv      cmd frg wnd   ts        sn        una       len       data
    const PUSH: &str = "44332211  51  02  8000  78563412  03000000  fffffeff  02000000  6869";
    const ACK: &str = "44332211  52  00  0100  00000080  ffffffff  00000000  00000000";
    const ASK: &str = "44332211  53  00  0000  00000000  00000000  05000000  00000000";
    const TELL: &str = "44332211  54  00  ffff  00000000  00000000  05000000  00000000";

    fn header(command: Command, fragment: u8, window: u16, [ts, sn, una]: [u32; 3]) -> Header {
        Header { conversation: 0x1122_3344, command, fragment, window, ts, sn, una }
    }

    #[test]
    fn each_command_has_its_bytes() {
        let cases: [(&str, Header, &[u8]); 4] = [
            (PUSH, header(Command::Push, 2, 128, [0x1234_5678, 3, 0xfffe_ffff]), b"hi"),
            (ACK, header(Command::Ack, 0, 1, [0x8000_0000, 0xffff_ffff, 0]), b""),
            (ASK, header(Command::Ask, 0, 0, [0, 0, 5]), b""),
            (TELL, header(Command::Tell, 0, 65_535, [0, 0, 5]), b""),
        ];
        for (hex, header, data) in cases {
            let wire = bytes(hex);
            assert_eq!(Header::split(&wire), Ok((header, data, &[][..])));
            let mut written = Vec::new();
            header.write(data, &mut written);
            assert_eq!(written, wire);
        }
    }

    #[test]
    fn segments_follow_one_another_in_a_packet() {
        let wire = bytes(&[PUSH, ACK].concat());
        let (_, data, rest) = Header::split(&wire).unwrap();
        assert_eq!((data, rest), (&b"hi"[..], &bytes(ACK)[..]));
    }

    #[test]
    fn a_packet_cut_anywhere_is_an_error() {
        let wire = bytes(PUSH);
        for cut in 0..HEADER_BYTES {
            assert_eq!(Header::split(&wire[..cut]), Err(InputError::Truncated(cut)));
        }
        for cut in HEADER_BYTES..wire.len() {
            assert_eq!(Header::split(&wire[..cut]), Err(InputError::Length(2, cut - HEADER_BYTES)));
        }
    }

    #[test]
    fn a_giant_length_and_a_command_that_nobody_knows_are_errors() {
        let giant = bytes("44332211 51 00 8000 00000000 00000000 00000000 ffffffff 00");
        assert_eq!(Header::split(&giant), Err(InputError::Length(u32::MAX, 1)));
        for command in (0..=80).chain(85..=255) {
            let mut wire = bytes(ASK);
            wire[4] = command;
            assert_eq!(Header::split(&wire), Err(InputError::UnknownCommand(command)));
        }
    }

    #[test]
    fn order_survives_the_wrap() {
        assert!(is_before(u32::MAX, 0) && is_before(u32::MAX - 5, 3) && !is_before(3, 3) && !is_before(0, u32::MAX));
    }
}
