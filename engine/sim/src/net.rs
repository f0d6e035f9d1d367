//! The network between nodes: how likely it is to do what, who cannot reach whom, and whose connections were cut.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use event_listener::{Event as Signal, EventListener};

use crate::lock::locked;
use crate::sim::Node;
use crate::trace::Moment;

/// How often the network does what, of a thousand times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rates {
    pub(crate) request_lost: u32,
    pub(crate) answer_lost: u32,
    pub(crate) duplicated: u32,
    /// A message takes its time; else it is there at once.
    pub(crate) delayed: u32,
    /// Microseconds that a delayed message takes at most.
    pub(crate) delay_max: u32,
    /// A request is answered by somebody on the way.
    pub(crate) foreign: u32,
    /// A watch opens and tells nothing: its notices are held back.
    pub(crate) deaf: u32,
    /// Bytes of runs in the largest message that passes; 0 for any.
    pub(crate) room: u32,
}

impl Rates {
    /// Nothing happens.
    pub(crate) const NONE: Self =
        Self { request_lost: 0, answer_lost: 0, duplicated: 0, delayed: 0, delay_max: 0, foreign: 0, deaf: 0, room: 0 };
}

/// The network of one history.
#[derive(Debug, Default)]
pub(crate) struct Net {
    state: Mutex<State>,
    /// Rung whenever connections are cut.
    cut: Signal,
}

#[derive(Debug, Default)]
struct State {
    rates: Rates,
    partitions: Vec<Partition>,
    /// How often each node's connections were cut.
    cuts: Vec<u32>,
}

/// A wall: nodes on one side cannot reach those on the other.
#[derive(Debug, Clone, Copy)]
struct Partition {
    side: u64,
    until: Moment,
}

impl Net {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { state: Mutex::new(State { rates, cuts: vec![0; 64], ..State::default() }), cut: Signal::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(crate) fn rates(&self) -> Rates {
        self.state().rates
    }

    /// Puts a wall between the nodes of `side`, a set of bits, and all others.
    pub(crate) fn part(&self, side: u64, until: Moment) {
        self.state().partitions.push(Partition { side, until });
        self.cut.notify(usize::MAX);
    }

    /// Whether a wall stands between two nodes.
    pub(crate) fn is_parted(&self, one: Node, other: Node, now: Moment) -> bool {
        let mut state = self.state();
        state.partitions.retain(|partition| partition.until > now);
        let side = |partition: &Partition, node: Node| partition.side >> node.0 & 1;
        state.partitions.iter().any(|partition| side(partition, one) != side(partition, other))
    }

    /// Cuts all connections of a node.
    pub(crate) fn cut(&self, node: Node) {
        self.state().cuts[usize::from(node.0)] += 1;
        self.cut.notify(usize::MAX);
    }

    /// A number that changes when a connection between these two is cut.
    pub(crate) fn connection(&self, one: Node, other: Node) -> u32 {
        let state = self.state();
        state.cuts[usize::from(one.0)] + state.cuts[usize::from(other.0)]
    }

    /// Waits for connections to be cut: whose, look then.
    pub(crate) fn next_cut(&self) -> EventListener {
        self.cut.listen()
    }

    /// Ends all trouble but a bound on messages, which is there to stay. Watches that were held back are cut.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        let Rates { delayed, delay_max, deaf, room, .. } = state.rates;
        state.rates = Rates { delayed, delay_max: delay_max.min(2_000), room, ..Rates::NONE };
        state.partitions.clear();
        if deaf > 0 {
            state.cuts.iter_mut().for_each(|cuts| *cuts += 1);
            self.cut.notify(usize::MAX);
        }
    }
}

/// How long a message takes.
pub(crate) fn delay(rates: Rates, rng: &mut crate::rng::Rng) -> Option<Duration> {
    let delayed = rates.delay_max > 0 && rng.chance(rates.delayed);
    delayed.then(|| Duration::from_micros(1 + rng.below(u64::from(rates.delay_max))))
}
