//! One end, packet by packet.

mod network;

use std::time::Instant;

use network::ms;
use petrel_kcp_proto::early::EarlyConfig;
use petrel_kcp_proto::{Command, Config, Event, HEADER_BYTES, Header, InputError, Kcp, Mode, SendError, TooSmall};

const CONVERSATION: u32 = 0x1122_3344;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn joined(hex: &str) -> String {
    hex.split_whitespace().collect()
}

fn end(config: Config, now: Instant) -> Kcp {
    Kcp::new(CONVERSATION, config, now)
}

fn transmit(kcp: &mut Kcp, now: Instant) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while kcp.poll_transmit(now, &mut packet) {
        packets.push(std::mem::take(&mut packet));
    }
    packets
}

/// The serial numbers of the segments with data that leave now.
fn pushed(kcp: &mut Kcp, now: Instant) -> Vec<u32> {
    commands(kcp, now).into_iter().filter(|header| header.command == Command::Push).map(|header| header.sn).collect()
}

fn commands(kcp: &mut Kcp, now: Instant) -> Vec<Header> {
    let mut headers = Vec::new();
    for packet in transmit(kcp, now) {
        let mut rest = &packet[..];
        while !rest.is_empty() {
            let (header, _, after) = Header::split(rest).unwrap();
            headers.push(header);
            rest = after;
        }
    }
    headers
}

fn segment(command: Command, fields: impl FnOnce(&mut Header), data: &[u8]) -> Vec<u8> {
    let mut header = Header { conversation: CONVERSATION, command, fragment: 0, window: 128, ts: 0, sn: 0, una: 0 };
    fields(&mut header);
    let mut packet = Vec::new();
    header.write(data, &mut packet);
    packet
}

fn push(sn: u32, data: &[u8]) -> Vec<u8> {
    segment(Command::Push, |header| header.sn = sn, data)
}

fn ack(sn: u32, ts: u32, una: u32) -> Vec<u8> {
    segment(Command::Ack, |header| (header.sn, header.ts, header.una) = (sn, ts, una), &[])
}

fn fast(mode: Mode) -> Config {
    Config { mode, ..Config::FAST }
}

#[test]
fn data_and_its_acknowledgement_have_their_bytes() {
    let start = Instant::now();
    let config = Config { first_sn: u32::MAX, first_ts: 0xffff_fff0, ..Config::FAST };
    let (mut a, mut b) = (end(config, start), end(config, start));
    a.send(b"hi").unwrap();
    let sent = transmit(&mut a, start + ms(0x20));
    //                    conv     cmd frg wnd  ts       sn       una      len      data
    let expected = joined("44332211 51 00 8000 10000000 ffffffff ffffffff 02000000 6869");
    assert_eq!(sent.iter().map(|packet| hex(packet)).collect::<Vec<_>>(), [expected]);

    b.input(start + ms(0x40), &sent[0]).unwrap();
    let answer = transmit(&mut b, start + ms(0x40));
    let expected = joined("44332211 52 00 7f00 10000000 ffffffff 00000000 00000000");
    assert_eq!(answer.iter().map(|packet| hex(packet)).collect::<Vec<_>>(), [expected]);

    a.input(start + ms(0x60), &answer[0]).unwrap();
    assert_eq!((a.pending(), a.rto().srtt(), a.poll_timeout()), (0, Some(ms(0x40)), None));
}

#[test]
fn a_message_is_cut_into_fragments_that_count_down() {
    let start = Instant::now();
    let config = Config { mtu: HEADER_BYTES + 4, ..fast(Mode::Message) };
    let mut a = end(config, start);
    a.send(b"0123456789").unwrap();
    let fragments: Vec<u8> = commands(&mut a, start).iter().map(|header| header.fragment).collect();
    assert_eq!(fragments, [2, 1, 0]);
}

#[test]
fn bytes_of_a_stream_share_a_segment() {
    let start = Instant::now();
    let mut a = end(Config { mtu: HEADER_BYTES + 4, ..fast(Mode::Stream) }, start);
    for byte in b"0123456789" {
        assert_eq!(a.send(&[*byte]), Ok(1));
    }
    let packets = transmit(&mut a, start);
    let data: Vec<&[u8]> = packets.iter().map(|packet| &packet[HEADER_BYTES..]).collect();
    assert_eq!(data, [b"0123", b"4567", &b"89"[..]]);
}

#[test]
fn a_message_is_whole_or_not_there() {
    let start = Instant::now();
    let mut b = end(fast(Mode::Message), start);
    let fragment = |sn, fragment, data| segment(Command::Push, |h| (h.sn, h.fragment) = (sn, fragment), data);
    b.input(start, &fragment(0, 1, b"he")).unwrap();
    assert_eq!((b.recv(&mut [0; 9]), b.message_bytes(), b.poll()), (Ok(None), None, None));
    b.input(start, &fragment(1, 0, b"llo")).unwrap();
    assert_eq!((b.poll(), b.message_bytes()), (Some(Event::Readable), Some(5)));
    assert_eq!(b.recv(&mut [0; 4]), Err(TooSmall { bytes: 5 }));
    let mut room = [0; 9];
    assert_eq!(b.recv(&mut room), Ok(Some(5)));
    assert_eq!(&room[..5], b"hello");
    assert_eq!(b.recv(&mut room), Ok(None));
}

#[test]
fn what_cannot_be_a_message_is_refused() {
    let mut a = end(Config { mtu: HEADER_BYTES + 4, send_window: 3, ..fast(Mode::Message) }, Instant::now());
    assert_eq!(a.send(b""), Err(SendError::Empty));
    assert_eq!(a.send(&[0; 4 * 255 + 1]), Err(SendError::TooLong(1_021)));
    assert_eq!(a.send(&[0; 4 * 255]), Ok(1_020));
    assert_eq!((a.send(b"x"), a.poll()), (Err(SendError::Full), None));
}

#[test]
fn a_full_stream_takes_bytes_again_when_segments_have_left() {
    let start = Instant::now();
    let mut a = end(Config { mtu: HEADER_BYTES + 4, send_window: 3, ..fast(Mode::Stream) }, start);
    assert_eq!((a.send(&[7; 100]), a.send(&[7; 100]), a.poll()), (Ok(12), Ok(0), None));
    assert_eq!(pushed(&mut a, start), [0, 1, 2]);
    assert_eq!((a.poll(), a.poll()), (Some(Event::Writable), None));
    assert_eq!(a.send(&[7; 100]), Ok(12));
    assert_eq!((pushed(&mut a, start), a.pending()), (vec![], 6));
}

#[test]
fn two_later_acknowledgements_send_a_segment_again_at_once() {
    let start = Instant::now();
    let mut a = end(fast(Mode::Message), start);
    for _ in 0..5 {
        a.send(b"x").unwrap();
    }
    assert_eq!(pushed(&mut a, start), [0, 1, 2, 3, 4]);
    let now = start + ms(20);
    a.input(now, &ack(0, 0, 1)).unwrap();
    a.input(now, &ack(2, 0, 1)).unwrap();
    assert_eq!(pushed(&mut a, now), []);
    a.input(now, &ack(3, 0, 1)).unwrap();
    assert_eq!(pushed(&mut a, now), [1]);
    a.input(now, &ack(4, 0, 1)).unwrap();
    assert_eq!(pushed(&mut a, now), [], "what left before the second sending says nothing of it");
    assert_eq!((a.stats().early, a.stats().late), (1, 0));
}

#[test]
fn a_segment_is_sent_early_only_so_often_and_then_by_time() {
    let start = Instant::now();
    let config = Config { early: EarlyConfig { after: 1, limit: 2 }, ..fast(Mode::Message) };
    let mut a = end(config, start);
    a.send(b"lost").unwrap();
    assert_eq!(pushed(&mut a, start), [0]);
    let mut again = 0;
    for sn in 1..=5 {
        a.send(b"x").unwrap();
        assert_eq!(pushed(&mut a, start), [sn]);
        a.input(start, &ack(sn, 0, 0)).unwrap();
        again += pushed(&mut a, start).len();
    }
    assert_eq!((again, a.stats().early), (2, 2));
    let deadline = a.poll_timeout().unwrap();
    assert_eq!(pushed(&mut a, deadline), [0]);
    assert_eq!((a.stats().early, a.stats().late), (2, 1));
}

#[test]
fn each_retry_leaves_exactly_when_poll_timeout_says() {
    for (config, waits) in [(Config::FAST, [200, 300, 450, 675]), (Config::NORMAL, [200, 400, 800, 1_600])] {
        let mut now = Instant::now();
        let mut a = end(config, now);
        a.send(b"x").unwrap();
        assert_eq!((a.poll_timeout(), pushed(&mut a, now)), (None, vec![0]));
        for wait in waits {
            assert_eq!(a.poll_timeout(), Some(now + ms(wait)));
            now += ms(wait);
            assert_eq!(pushed(&mut a, now - ms(1)), []);
            assert_eq!(pushed(&mut a, now), [0]);
        }
    }
}

#[test]
fn no_number_of_retries_ends_a_conversation() {
    let mut now = Instant::now();
    let mut a = end(Config::FAST, now);
    a.send(b"x").unwrap();
    assert_eq!(pushed(&mut a, now), [0]);
    for _ in 0..1_000 {
        let next = a.poll_timeout().unwrap();
        assert!(next > now && next <= now + ms(60_000));
        now = next;
        assert_eq!(pushed(&mut a, now), [0]);
    }
}

#[test]
fn the_round_trip_of_an_earlier_sending_is_taken_from_its_time() {
    let start = Instant::now();
    let mut a = end(Config { first_ts: u32::MAX - 50, ..Config::FAST }, start);
    a.send(b"x").unwrap();
    assert_eq!(pushed(&mut a, start), [0]);
    assert_eq!(pushed(&mut a, start + ms(200)), [0]);
    a.input(start + ms(250), &ack(0, u32::MAX - 50, 1)).unwrap();
    assert_eq!(a.rto().srtt(), Some(ms(250)));
}

#[test]
fn a_time_that_was_never_ours_is_no_round_trip() {
    let start = Instant::now();
    let mut a = end(Config::FAST, start);
    a.send(b"x").unwrap();
    pushed(&mut a, start + ms(1_000));
    a.input(start + ms(1_020), &ack(0, 7, 1)).unwrap();
    assert_eq!((a.pending(), a.rto().srtt()), (0, None));
}

#[test]
fn what_una_covers_gets_no_acknowledgement_of_its_own_but_the_newest() {
    let start = Instant::now();
    let mut b = end(Config::FAST, start);
    for sn in [0, 1, 4, 2] {
        b.input(start, &push(sn, b"x")).unwrap();
    }
    let acks: Vec<(u32, u32)> = commands(&mut b, start).iter().map(|header| (header.sn, header.una)).collect();
    assert_eq!(acks, [(4, 3), (2, 3)]);
}

#[test]
fn a_segment_that_comes_again_is_acknowledged_again() {
    let start = Instant::now();
    let mut b = end(Config::FAST, start);
    for _ in 0..2 {
        b.input(start, &push(0, b"x")).unwrap();
        assert_eq!(commands(&mut b, start).len(), 1);
    }
    assert_eq!(b.stats().again, 1);
}

#[test]
fn a_peer_that_says_the_same_forever_gets_no_more_answers_than_the_window() {
    let start = Instant::now();
    let mut b = end(Config { receive_window: 16, ..Config::FAST }, start);
    for _ in 0..1_000 {
        b.input(start, &push(3, b"x")).unwrap();
    }
    assert!(commands(&mut b, start).len() <= 17);
}

#[test]
fn a_shut_window_is_asked_for_with_growing_patience() {
    let mut now = Instant::now();
    let mut a = end(Config::FAST, now);
    a.send(b"x").unwrap();
    pushed(&mut a, now);
    let shut = |sn| segment(Command::Ack, |header| (header.sn, header.una, header.window) = (sn, sn + 1, 0), &[]);
    a.input(now, &shut(0)).unwrap();
    assert_eq!(a.poll_timeout(), None, "nothing waits, so nothing is asked");
    a.send(b"y").unwrap();
    assert_eq!(commands(&mut a, now), []);
    for wait in [500, 750, 1_125] {
        assert_eq!(a.poll_timeout(), Some(now + ms(wait)));
        now += ms(wait);
        let asked: Vec<Command> = commands(&mut a, now).iter().map(|header| header.command).collect();
        assert_eq!(asked, [Command::Ask]);
    }
    a.input(now, &segment(Command::Tell, |header| (header.una, header.window) = (1, 1), &[])).unwrap();
    assert_eq!(pushed(&mut a, now), [1]);
}

#[test]
fn who_is_asked_tells() {
    let start = Instant::now();
    let mut b = end(Config::FAST, start);
    b.input(start, &push(0, b"x")).unwrap();
    commands(&mut b, start);
    b.input(start, &segment(Command::Ask, |_| (), &[])).unwrap();
    let told: Vec<_> = commands(&mut b, start).iter().map(|h| (h.command, h.una, h.window)).collect();
    assert_eq!(told, [(Command::Tell, 1, 127)]);
}

#[test]
fn a_reader_that_empties_a_shut_window_has_it_told() {
    let start = Instant::now();
    let mut b = end(Config { receive_window: 4, ..fast(Mode::Stream) }, start);
    for sn in 0..6 {
        b.input(start, &push(sn, b"x")).unwrap();
    }
    assert_eq!(commands(&mut b, start).last().map(|header| (header.una, header.window)), Some((4, 0)));
    assert_eq!(b.stats().beyond, 2);
    assert_eq!(b.recv(&mut [0; 1]), Ok(Some(1)));
    let told: Vec<_> = commands(&mut b, start).iter().map(|h| (h.command, h.window)).collect();
    assert_eq!(told, [(Command::Tell, 1)]);
    assert_eq!(b.recv(&mut [0; 1]), Ok(Some(1)));
    assert_eq!(commands(&mut b, start), [], "one segment more is no news");
    assert_eq!(b.recv(&mut [0; 1]), Ok(Some(1)));
    assert_eq!(commands(&mut b, start).len(), 1);
}

#[test]
fn the_window_of_a_packet_that_was_overtaken_is_not_believed() {
    let start = Instant::now();
    let mut a = end(Config { send_window: 100, ..fast(Mode::Message) }, start);
    for _ in 0..50 {
        a.send(b"x").unwrap();
    }
    assert_eq!(pushed(&mut a, start).len(), 32, "before the peer has told its window");
    let tell = |una, window| segment(Command::Tell, |header| (header.una, header.window) = (una, window), &[]);
    a.input(start, &tell(20, 13)).unwrap();
    a.input(start, &tell(10, 1_000)).unwrap();
    a.input(start, &tell(20, 12)).unwrap();
    assert_eq!(pushed(&mut a, start), [32]);
}

#[test]
fn the_congestion_window_starts_small_and_grows_with_acknowledgements() {
    let start = Instant::now();
    let mut a = end(Config { congestion: true, send_window: 100, ..fast(Mode::Message) }, start);
    for _ in 0..50 {
        a.send(b"x").unwrap();
    }
    assert_eq!(pushed(&mut a, start).len(), 3);
    a.input(start, &ack(2, 0, 3)).unwrap();
    assert_eq!(pushed(&mut a, start).len(), 6);
}

#[test]
fn lies_are_errors_and_change_nothing() {
    let start = Instant::now();
    let mut a = end(Config { receive_window: 8, longest_segment: 10, ..fast(Mode::Message) }, start);
    a.send(b"x").unwrap();
    assert_eq!(pushed(&mut a, start), [0]);
    a.input(start, &segment(Command::Push, |h| (h.sn, h.fragment) = (2, 1), b"x")).unwrap();
    commands(&mut a, start);
    let lie = |command, fields: fn(&mut Header), data| segment(command, fields, data);
    let cases = [
        (lie(Command::Tell, |h| h.conversation = 9, &b""[..]), InputError::OtherConversation(9)),
        (lie(Command::Tell, |h| h.una = 2, b""), InputError::NotSent(2)),
        (lie(Command::Push, |h| h.una = 1 << 30, b""), InputError::NotSent(1 << 30)),
        (lie(Command::Ack, |h| h.sn = 1, b""), InputError::NotSent(1)),
        (lie(Command::Ack, |h| h.sn = 0x7fff_ffff, b""), InputError::NotSent(0x7fff_ffff)),
        (lie(Command::Push, |_| (), b"01234567890"), InputError::TooLong(11)),
        (lie(Command::Push, |h| h.fragment = 8, b"x"), InputError::Fragment(8)),
        (lie(Command::Push, |h| (h.sn, h.fragment) = (3, 1), b"x"), InputError::Fragment(1)),
        (lie(Command::Push, |h| (h.sn, h.fragment) = (1, 3), b"x"), InputError::Fragment(3)),
        (vec![], InputError::Truncated(0)),
    ];
    for (packet, error) in cases {
        assert_eq!(a.input(start, &packet), Err(error));
        assert_eq!((a.pending(), commands(&mut a, start)), (1, vec![]), "{error}");
    }
}

#[test]
fn what_stands_before_a_fault_counts() {
    let start = Instant::now();
    let mut b = end(fast(Mode::Stream), start);
    let packet = [push(0, b"good"), vec![1, 2, 3]].concat();
    assert_eq!(b.input(start, &packet), Err(InputError::Truncated(3)));
    assert_eq!(b.recv(&mut [0; 9]), Ok(Some(4)));
}
