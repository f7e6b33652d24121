//! Every parser of a stranger's bytes, and whole connections against a peer that has the right keys and no good will.
//! `petrel_fuzz` says how long they run.

mod machines;
mod parsers;
mod peer;
mod victim;
mod words;

use machines::Machines;
use petrel_fuzz::{Target, corpus, run};

#[test]
fn no_bytes_of_a_stranger_or_a_peer_do_harm() {
    let packets = corpus(include_str!("fuzz/corpus/packets.hex"));
    let frames = corpus(include_str!("fuzz/corpus/frames.hex"));
    let parameters = corpus(include_str!("fuzz/corpus/parameters.hex"));
    let machines = Machines::new(frames.clone(), packets.clone());
    run(&[
        Target::bytes("packets", packets, 1_500, parsers::packet),
        Target::bytes("frames", frames, 1_500, parsers::frames),
        Target::bytes("parameters", parameters, 300, parsers::parameters),
        Target::new("strangers", |rng, inputs| machines.strangers(rng, inputs)),
        Target::new("answers", |rng, inputs| machines.answers(rng, inputs)),
        Target::new("listener", |rng, inputs| machines.listener(rng, inputs)),
        Target::new("dialer", |rng, inputs| machines.dialer(rng, inputs)),
    ]);
}
