//! `petrel-visits PORT VISITORS MS`: on 127.0.0.1, so many visitors at once for so long, each again and again: connect,
//! have a byte echoed, end, wait for the other's end. Prints a line of JSON: `Seen` of scripts/bench/figures.ts. A thread a visitor, since that costs the
//! machine least: visitors of Node took a quarter of what a connection through a tunnel costs.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// For each step of a visit; more is an error.
const PATIENCE: Duration = Duration::from_secs(5);
/// The service's command (exchange.ts), and the byte that it gives back.
const ECHO: [u8; 2] = [0x45, 1];

struct Visitor {
    /// Microseconds, one a visit.
    took: Vec<u128>,
    /// It ends with the first.
    error: Option<io::Error>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [port, visitors, ms] = arguments[..] else { return Err("usage: petrel-visits PORT VISITORS MS".into()) };
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port)?));
    let started = Instant::now();
    let until = started + Duration::from_millis(ms);
    let threads: Vec<_> = (0..visitors).map(|_| thread::spawn(move || visit_until(to, until))).collect();
    let visitors: Vec<Visitor> =
        threads.into_iter().map(|one| one.join().map_err(|_| "a visitor panicked")).collect::<Result<_, _>>()?;
    let ms = started.elapsed().as_secs_f64() * 1_000.0;
    let errors = visitors.iter().filter(|one| one.error.is_some()).count();
    let error = visitors.iter().find_map(|one| one.error.as_ref()).map_or(String::new(), ToString::to_string);
    let mut took: Vec<u128> = visitors.into_iter().flat_map(|one| one.took).collect();
    took.sort_unstable();
    let count = took.len();
    println!(r#"{{"ms":{ms},"count":{count},"errors":{errors},"error":{error:?},"tookUs":{took:?}}}"#);
    Ok(())
}

fn visit_until(to: SocketAddr, until: Instant) -> Visitor {
    let mut visitor = Visitor { took: Vec::new(), error: None };
    while visitor.error.is_none() && Instant::now() < until {
        let started = Instant::now();
        match visit(to) {
            Ok(()) => visitor.took.push(started.elapsed().as_micros()),
            // What a deadline of a socket is called.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                visitor.error = Some(io::Error::other("no answer in time"));
            }
            Err(error) => visitor.error = Some(error),
        }
    }
    visitor
}

fn visit(to: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&to, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    connection.write_all(&ECHO)?;
    let mut back = [0; 16];
    let came = connection.read(&mut back)?;
    if back[..came] != ECHO[1..] {
        return Err(io::Error::other(format!("for one byte came back {:?}", &back[..came])));
    }
    connection.shutdown(Shutdown::Write)?;
    match connection.read(&mut back)? {
        0 => Ok(()),
        _ => Err(io::Error::other("more came back than was sent")),
    }
}
