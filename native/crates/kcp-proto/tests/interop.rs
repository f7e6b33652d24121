//! Bare KCP with Go's kcp-go over a UDP socket on loopback, in both roles, with and without loss. Go is built from
//! test/interop/kcp; without it the tests are skipped, loudly.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use petrel_kcp_proto::{Config, Kcp, Mode};
use ring::digest::{Context, SHA256};

const BYTES: usize = 50_000_000;
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(100);

const CONFIG: Config = Config { mode: Mode::Stream, send_window: 1_024, receive_window: 1_024, ..Config::FAST };

/// One transfer has the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Dialler,
    Listener,
}

#[test]
fn we_dial_go_and_nothing_is_lost() {
    exchange(Role::Dialler, 0.0);
}

#[test]
fn we_dial_go_and_a_tenth_is_lost() {
    exchange(Role::Dialler, 0.1);
}

#[test]
fn go_dials_us_and_nothing_is_lost() {
    exchange(Role::Listener, 0.0);
}

#[test]
fn go_dials_us_and_a_tenth_is_lost() {
    exchange(Role::Listener, 0.1);
}

/// 50 MB each way at once. Each side names the SHA-256 of what it sent and of what it got.
fn exchange(ours: Role, loss: f64) {
    let Some(program) = peer() else {
        // Past the test's captured output.
        let _ = writeln!(std::io::stderr(), "SKIP  interop with kcp-go: no go on PATH ({ours:?}, loss {loss})");
        return;
    };
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BYTES).unwrap();
    let (mut go, lines) = start(program, ours, &socket);
    let mut end = End { socket, peer: None, loss, rng: fastrand::Rng::with_seed(4), room: vec![0; 1 << 16] };
    if ours == Role::Dialler {
        let port: u16 = lines.recv().unwrap().parse().unwrap();
        end.peer = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let started = Instant::now();
    let (hashes, report) = end.run(&lines);
    assert_eq!(report.split(' ').rev().collect::<Vec<_>>(), hashes);
    println!("{ours:?}, loss {loss}: {BYTES} bytes each way in {:.1?}", started.elapsed());
    drop(go.stdin.take());
    assert!(go.wait().unwrap().success());
}

/// The Go program, built once. None: there is no Go here.
fn peer() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        Command::new("go").arg("version").output().ok()?;
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kcp-go-peer");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../test/interop/kcp");
        let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(sources).status();
        assert!(built.unwrap().success(), "go build failed");
        Some(program)
    };
    PROGRAM.get_or_init(build).as_deref()
}

/// Starts Go in the other role; it ends with its standard input. Its lines come through the channel.
fn start(program: &Path, ours: Role, socket: &UdpSocket) -> (Child, Receiver<String>) {
    let mut command = Command::new(program);
    match ours {
        Role::Dialler => command.arg("listener"),
        Role::Listener => command.arg("dialler").arg(socket.local_addr().unwrap().to_string()),
    };
    command.arg(BYTES.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (tell, lines) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    (child, lines)
}

/// Our side of the socket. Loses packets both ways.
struct End {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    loss: f64,
    rng: fastrand::Rng,
    room: Vec<u8>,
}

impl End {
    /// Sends and receives until all is there and Go has reported. Returns the hashes of what was sent and what came, and
    /// the report.
    fn run(&mut self, lines: &Receiver<String>) -> ([String; 2], String) {
        let until = Instant::now() + DEADLINE;
        let mut data = fastrand::Rng::with_seed(5);
        let (mut sent, mut got) = (Context::new(&SHA256), Context::new(&SHA256));
        let (mut to_send, mut to_come) = (BYTES, BYTES);
        let (mut chunk, mut waiting) = (vec![0; 1 << 16], 0..0);
        let mut kcp = self.begin();
        let mut report = None;
        while to_send + to_come + waiting.len() + kcp.pending() > 0 || report.is_none() {
            assert!(Instant::now() < until, "{to_send} bytes to send, {to_come} to come, {:?}", kcp.stats());
            loop {
                if waiting.is_empty() && to_send > 0 {
                    waiting = 0..chunk.len().min(to_send);
                    data.fill(&mut chunk);
                    sent.update(&chunk[waiting.clone()]);
                    to_send -= waiting.len();
                }
                match kcp.send(&chunk[waiting.clone()]).unwrap() {
                    0 => break,
                    taken => waiting.start += taken,
                }
            }
            while let Some(bytes) = kcp.recv(&mut self.room).unwrap() {
                got.update(&self.room[..bytes]);
                to_come -= bytes;
            }
            self.transmit(&mut kcp);
            self.wait(&mut kcp);
            report = report.or_else(|| lines.try_recv().ok());
        }
        let hex = |hash: Context| hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        ([hex(sent), hex(got)], report.unwrap_or_default())
    }

    /// A dialler chooses the conversation; a listener learns it from the first packet.
    fn begin(&mut self) -> Kcp {
        if self.peer.is_some() {
            return Kcp::new(0x7065_7472, CONFIG, Instant::now());
        }
        let (bytes, peer) = self.socket.recv_from(&mut self.room).unwrap();
        self.peer = Some(peer);
        let conversation = u32::from_le_bytes(self.room[..4].try_into().unwrap());
        let mut kcp = Kcp::new(conversation, CONFIG, Instant::now());
        kcp.input(Instant::now(), &self.room[..bytes]).unwrap();
        kcp
    }

    fn transmit(&mut self, kcp: &mut Kcp) {
        let Some(peer) = self.peer else { return };
        let mut packet = Vec::new();
        while kcp.poll_transmit(Instant::now(), &mut packet) {
            if self.rng.f64() >= self.loss {
                self.socket.send_to(&packet, peer).unwrap();
            }
            packet.clear();
        }
    }

    /// Until a packet comes or something is due; then takes what is there, in a batch of limited size.
    fn wait(&mut self, kcp: &mut Kcp) {
        let due = kcp.poll_timeout().map_or(DEADLINE, |due| due.saturating_duration_since(Instant::now()));
        self.socket.set_nonblocking(false).unwrap();
        self.socket.set_read_timeout(Some(due.clamp(Duration::from_millis(1), Duration::from_millis(50)))).unwrap();
        for _ in 0..64 {
            match self.socket.recv(&mut self.room) {
                Ok(_) if self.rng.f64() < self.loss => {}
                Ok(bytes) => kcp.input(Instant::now(), &self.room[..bytes]).unwrap(),
                // ConnectionRefused: Go has not bound its socket yet, or has closed it.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => break,
                Err(error) => panic!("{error}"),
            }
            self.socket.set_nonblocking(true).unwrap();
        }
        self.socket.set_nonblocking(false).unwrap();
    }
}
