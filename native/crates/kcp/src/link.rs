//! The calls of `petrel_link::Connection`: what the driver does to a link, and asks of it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Instant;

use bytes::Bytes;
use petrel_link::{Connection as Link, PathStats, Reading, Refused, Signal, Stopped, Transmit};
use petrel_streams::message::Entry;

use crate::connection::{Connection, Life, STREAM_SEND_BYTES};
use crate::packet::{HEADER, TAG};
use crate::sent::Item;

/// Payloads wait in the driver's own queue; here only what the next packets take.
const DATAGRAM_SEND_BYTES: usize = 64 * 1024;

impl Link for Connection {
    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.on_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, segments: NonZeroUsize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        self.transmit(now, segments, buffer)
    }

    fn poll(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    fn open(&mut self) -> Option<u64> {
        if self.is_connected && self.life == Life::Open { self.streams.open() } else { None }
    }

    fn read(&mut self, number: u64, take: &mut dyn FnMut(u64, &[u8])) -> Reading {
        let Some(stream) = self.streams.stream(number) else { return Reading::Open };
        let reading = stream.receive.read(take);
        self.streams.tidy(number);
        reading
    }

    fn write(&mut self, number: u64, data: &mut Bytes) -> Result<usize, Stopped> {
        let room = self.send_room();
        let Some(stream) = self.streams.stream(number).filter(|s| !s.sent) else { return Err(Stopped(0)) };
        let own = STREAM_SEND_BYTES.saturating_sub(stream.send.held());
        let n = data.len().min(room.max(own) as usize);
        stream.send.write(data.split_to(n));
        self.streams.begin(number);
        self.buffered += n as u64;
        self.streams.queue(number);
        if !data.is_empty() {
            self.streams.wait(number);
        }
        Ok(n)
    }

    fn finish(&mut self, number: u64) {
        if let Some(stream) = self.streams.stream(number) {
            stream.send.finish();
            self.streams.begin(number);
            self.streams.queue(number);
        }
    }

    fn abandon(&mut self, number: u64, code: u64) {
        let Some(stream) = self.streams.stream(number) else { return };
        if !stream.sent {
            self.buffered -= stream.send.held();
            stream.send = Default::default();
            stream.sent = true;
            self.items.push_back(Item::Reset { stream: number, code });
        }
        if !stream.receive.is_done {
            stream.receive.give_up();
            self.items.push_back(Item::Stop { stream: number, code });
        }
        self.streams.begin(number);
        self.streams.tidy(number);
    }

    fn set_max_streams(&mut self, streams: u32) {
        self.streams.raise(streams.into());
    }

    fn speaks_credit(&self) -> bool {
        true
    }

    fn announce(&mut self, entries: &[Entry], _surely: bool) {
        // Always surely: a lost limit is sent again.
        for entry in entries {
            self.limits.insert(entry.stream, *entry);
        }
    }

    fn max_datagram(&mut self) -> Option<usize> {
        Some(self.mtu.current() - HEADER - TAG - 1)
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), Refused> {
        if self.life != Life::Open || self.max_datagram().is_none_or(|most| payload.len() > most) {
            return Err(Refused::Never);
        }
        if self.datagrams_out_bytes + payload.len() > DATAGRAM_SEND_BYTES {
            return Err(Refused::Full(payload));
        }
        // An empty one takes a place too.
        self.datagrams_out_bytes += payload.len() + 1;
        self.datagrams_out.push_back(payload);
        Ok(())
    }

    fn receive_datagram(&mut self) -> Option<Bytes> {
        let payload = self.datagrams_in.pop_front()?;
        self.datagrams_in_bytes -= payload.len() + 1;
        Some(payload)
    }

    fn close(&mut self, now: Instant, code: u64, reason: &str) {
        self.farewell(now, false, code, reason.to_string());
    }

    fn is_closed(&self) -> bool {
        self.life != Life::Open
    }

    fn is_drained(&self) -> bool {
        self.life == Life::Over
    }

    fn peer_pin(&self) -> Option<[u8; 32]> {
        self.peer_pin
    }

    fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> bool {
        self.is_connected && self.handshake.export_key(label, context, out)
    }

    fn remote(&self) -> SocketAddr {
        self.path.remote()
    }

    fn local_address_changed(&mut self, _now: Instant) {
        self.path.leave();
        // The peer learns of it by the next packet, which asks for an answer.
        self.peer_moved();
    }

    fn stats(&mut self) -> PathStats {
        PathStats {
            rtt: self.rto.srtt().unwrap_or_default(),
            cwnd: self.control.window(),
            mtu: self.mtu.current() as u16,
            delivery_rate: self.control.rate() as u64,
            ..self.stats
        }
    }
}
