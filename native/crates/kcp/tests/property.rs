//! Links over paths and with workloads that a seed draws. Whatever the path does, what an application sees is exact.
//! PETREL_SEEDS: how many seeds (default 20), or `from..to`.

mod lab;
mod plan;

use std::ops::Range;
use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::{Host, Lab};
use petrel_link::{Connection as _, Lost};
use petrel_streams::message::Entry;
use plan::{Plan, bytes_of};

#[test]
fn whatever_the_path_does_bytes_are_exact_and_ends_are_seen() {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let seeds = seeds.clone().skip(worker).step_by(threads);
                scope.spawn(move || seeds.filter(|seed| std::panic::catch_unwind(|| check(*seed)).is_err()).collect())
            })
            .collect();
        workers.into_iter().flat_map(|worker| -> Vec<u64> { worker.join().expect("a worker") }).collect()
    });
    assert!(failed.is_empty(), "failed seeds of {seeds:?} (again: PETREL_SEEDS=seed..seed+1): {failed:?}");
}

fn seeds() -> Range<u64> {
    let text = std::env::var("PETREL_SEEDS").unwrap_or_else(|_| "20".into());
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("PETREL_SEEDS is no count or range: {text}"));
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

/// What the application has done so far.
struct Progress {
    plan: Plan,
    rng: Rng,
    /// For each host: how many of its planned streams are open, and datagrams sent.
    opened: [usize; 2],
    told: [Vec<Vec<u8>>; 2],
    /// Streams that were acted upon by their index in the plan: answered, reset.
    answered: Vec<bool>,
    broken: Vec<bool>,
    most_things: usize,
}

fn check(seed: u64) {
    let plan = Plan::draw(seed);
    let mut lab = plan.lab(seed);
    let limit = Duration::from_secs(400);
    let mut state = Progress {
        rng: Rng::with_seed(seed ^ 0x5eed),
        opened: [0; 2],
        told: Default::default(),
        answered: vec![false; plan.streams.len()],
        broken: vec![false; plan.streams.len()],
        most_things: 0,
        plan,
    };
    let until = lab.net.now() + limit;
    let start = lab.start;
    let ended = lab.net.run(&mut lab.hosts, until, |now, hosts| state.step(now, start, hosts));
    let told = format!("seed {seed}: {:#?}", state.plan);
    for (index, host) in lab.hosts[..2].iter().enumerate() {
        let connected = host.connected.map(|at| at - start);
        let now = lab.net.now() - start;
        assert_eq!(host.lost, None, "host {index} at {now:?}, connected at {connected:?}, {told}");
    }
    if let Err(stop) = ended {
        let held = [lab.hosts[0].link().held(), lab.hosts[1].connection.as_mut().map(|c| c.held()).unwrap_or_default()];
        let open = state.open(&lab.hosts);
        panic!("{stop:?} at {:?}; held {held:?}; open {open:?}; {told}", lab.net.now() - start);
    }
    state.verify(&lab, &told);
    state.verify_outages(&lab, &told);
    wind_down(&mut lab, &told);
}

impl Progress {
    /// The applications act. True: everything has come.
    fn step(&mut self, now: Instant, start: Instant, hosts: &mut [Host]) -> bool {
        if hosts[..2].iter().any(|host| host.lost.is_some()) {
            return true;
        }
        for (me, host) in hosts[..2].iter_mut().enumerate().filter(|(_, host)| host.connected.is_some()) {
            self.act(me, host);
        }
        let held = hosts[..2].iter_mut().filter_map(|host| host.connection.as_mut()).map(|c| c.held());
        let held: Vec<_> = held.collect();
        self.most_things = self.most_things.max(held.iter().map(|held| held.things).max().unwrap_or(0));
        assert!(self.most_things < 60_000, "{} things are held at {:?}", self.most_things, now - start);
        let all =
            held.iter().all(|held| held.bytes == 0) && self.opened.iter().sum::<usize>() == self.plan.streams.len();
        all && self.open(hosts).is_empty()
    }

    fn act(&mut self, me: usize, host: &mut Host) {
        // Opens what it has to open, as far as the peer allows.
        let mine: Vec<usize> = self.plan.of(me).collect();
        while let Some(&index) = mine.get(self.opened[me]) {
            let Some(number) = host.link().open() else { break };
            assert_eq!(number, self.plan.number(index));
            host.say(number, bytes_of(index, true, self.plan.streams[index].there));
            self.opened[me] += 1;
        }
        // Answers what it has heard of: at once, or after the end.
        for index in self.plan.of(1 - me) {
            let (number, stream) = (self.plan.number(index), &self.plan.streams[index]);
            let Some(channel) = host.channels.get(&number) else { continue };
            let is_time = !stream.answers_last || channel.finished || channel.reset.is_some();
            if is_time && !channel.abandoned && !std::mem::replace(&mut self.answered[index], true) {
                host.say(number, bytes_of(index, false, stream.back));
            }
        }
        for index in 0..self.plan.streams.len() {
            let Some((who, after)) = self.plan.streams[index].breaks.filter(|(who, _)| *who == me) else { continue };
            let number = self.plan.number(index);
            let is_time = host.channels.get(&number).is_some_and(|channel| channel.read.len() >= after);
            if is_time && !std::mem::replace(&mut self.broken[index], true) {
                host.abandon(number, 100 + who as u64);
            }
        }
        // Datagrams and limits, now and then.
        if self.told[me].len() < self.plan.datagrams && self.rng.u8(0..8) == 0 {
            let most = host.link().max_datagram().expect("datagrams");
            let mut payload = vec![me as u8, self.told[me].len() as u8, (self.told[me].len() >> 8) as u8];
            payload.resize(3 + self.rng.usize(0..=most - 3), self.rng.u8(..));
            if host.link().send_datagram(payload.clone().into()).is_ok() {
                self.told[me].push(payload);
            }
            let entry = Entry { stream: 4, taken: self.told[me].len() as u64, limit: 1 << 40 };
            host.link().announce(&[entry], true);
        }
    }

    /// What has still to come: (stream, host).
    fn open(&self, hosts: &[Host]) -> Vec<(u64, usize)> {
        let each = (0..self.plan.streams.len()).flat_map(|index| [(index, 0), (index, 1)]);
        let is_open = |(index, host): &(usize, usize)| {
            let channel = hosts[*host].channels.get(&self.plan.number(*index));
            !channel.is_some_and(|c| c.finished || c.reset.is_some() || c.abandoned)
        };
        each.filter(is_open).map(|(index, host)| (self.plan.number(index), host)).collect()
    }

    fn verify(&self, lab: &Lab, told: &str) {
        for index in 0..self.plan.streams.len() {
            let stream = &self.plan.streams[index];
            for (host, is_there, len) in [(1 - stream.opener, true, stream.there), (stream.opener, false, stream.back)]
            {
                let channel = &lab.hosts[host].channels[&self.plan.number(index)];
                let expected = bytes_of(index, is_there, len);
                let is_prefix = expected.starts_with(&channel.read);
                assert!(is_prefix, "stream {index} at host {host} has wrong bytes; {told}");
                if channel.finished {
                    assert_eq!(channel.read.len(), expected.len(), "a false end of stream {index}; {told}");
                }
                if stream.breaks.is_none() {
                    assert!(channel.finished, "stream {index} at host {host} was reset by nobody; {told}");
                }
                if let Some(code) = channel.reset {
                    assert!([100, 101].contains(&code), "code {code}; {told}");
                }
            }
        }
        for me in 0..2 {
            let mut left: Vec<&[u8]> = self.told[1 - me].iter().map(|payload| &payload[..]).collect();
            for payload in &lab.hosts[me].datagrams {
                let at = left.iter().position(|sent| sent == payload);
                left.swap_remove(at.unwrap_or_else(|| panic!("a datagram that was never sent, or twice; {told}")));
            }
        }
    }

    /// Bytes move again soon after each outage.
    fn verify_outages(&self, lab: &Lab, told: &str) {
        for outage in &self.plan.outages {
            let end = lab.start + outage.end;
            let last = lab.hosts[..2].iter().filter_map(|host| host.progress.last()).map(|(at, _)| *at).max();
            if lab.hosts[..2].iter().any(|host| host.connected.is_none_or(|at| at >= lab.start + outage.start))
                || last.is_none_or(|last| last < end)
            {
                continue;
            }
            let moved = lab.hosts[..2].iter().flat_map(|host| &host.progress).map(|(at, _)| *at);
            let first = moved.filter(|at| *at >= end).min().expect("bytes after the outage");
            let most = self.plan.patience();
            assert!(first - end <= most, "{:?} after the outage {outage:?}, of {most:?}; {told}", first - end);
        }
    }
}

/// Everything came: nothing is kept, and a close ends both ends.
fn wind_down(lab: &mut Lab, told: &str) {
    lab.pass(Duration::from_secs(12));
    for host in &mut lab.hosts[..2] {
        let stats = host.link().stats();
        let held = host.link().held();
        assert!(held.bytes == 0 && held.things < 2_000, "{held:?} at the end; {told}");
        assert!(stats.lost_packets <= stats.sent_packets, "{stats:?}; {told}");
        assert_eq!((stats.sent_packets, stats.sent_bytes), host.transmitted, "{told}");
        assert!(stats.received_bytes <= host.received, "{stats:?}; {told}");
    }
    let now = lab.net.now();
    lab.hosts[0].link().close(now, 7, "that is all");
    let drained = lab.run(Duration::from_secs(60), |hosts| hosts[..2].iter_mut().all(|host| host.link().is_drained()));
    drained.unwrap_or_else(|stop| panic!("{stop} in the close; {told}"));
    let lost = lab.hosts[1].lost.as_ref();
    assert!(matches!(lost, Some(Lost::Closed { code: 7, .. } | Lost::Idle)), "{lost:?}; {told}");
}
