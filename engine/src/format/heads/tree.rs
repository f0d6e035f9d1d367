//! The tree behind [`Heads`](super::Heads): it can be cloned cheaply, and each node keeps the digest of what is below it.
//!
//! A set of at most [`BUCKET`] origins is a bucket. A larger set is a branch: its origins are divided by the next hex digit of their ids.
//! So the shape depends only on the set, and whoever has the same heads has the same digests.

use std::sync::{Arc, LazyLock, OnceLock};

use super::digest::{HeadsDigest, Prefix, nibble};
use super::{Difference, Head};
use crate::format::time::NTP64;
use crate::id::ReplicaId;

/// Origins up to which a set is not divided.
pub(super) const BUCKET: usize = 16;

/// If no more than so many nodes below two others are not shared, then one comes from the other by few changes. To look at these nodes
/// costs less than to hash them.
const SHARED: usize = 4;

pub(super) type Entry = (ReplicaId, Head);

static EMPTY: LazyLock<Arc<Node>> = LazyLock::new(|| Arc::new(Node::new(Kind::Bucket(Vec::new()))));

/// The heads whose origins begin with the same digits. The number of digits is its depth.
#[derive(Debug, Clone)]
pub(super) struct Node {
    kind: Kind,
    summary: OnceLock<Summary>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Sorted by origin.
    Bucket(Vec<Entry>),
    /// By the next digit, and how many origins there are.
    Branch(usize, [Arc<Node>; 16]),
}

/// What is known of all heads below a node. It is computed when it is first asked for, and forgotten when one of them changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    pub(super) digest: HeadsDigest,
    pub(super) bundles: u128,
    /// The largest time, and the second largest: those of two origins.
    pub(super) latest: [NTP64; 2],
}

impl Node {
    fn new(kind: Kind) -> Self {
        Self { kind, summary: OnceLock::new() }
    }

    /// The tree of no origins.
    pub(super) fn empty() -> Arc<Self> {
        EMPTY.clone()
    }

    /// The tree of these heads, which are sorted by origin and share `depth` digits.
    pub(super) fn build(entries: &[Entry], depth: usize) -> Arc<Self> {
        if entries.is_empty() { Self::empty() } else { Arc::new(Self::new(Kind::of(entries, depth))) }
    }

    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Bucket(entries) => entries.len(),
            Kind::Branch(count, _) => *count,
        }
    }

    pub(super) fn get(&self, origin: ReplicaId) -> Option<Head> {
        let (mut node, mut depth) = (self, 0);
        loop {
            match &node.kind {
                Kind::Bucket(entries) => return find(entries, origin).ok().map(|at| entries[at].1),
                Kind::Branch(_, children) => node = &children[nibble(origin, depth)],
            }
            depth += 1;
        }
    }

    /// Sets a head, and says whether its origin is new.
    pub(super) fn set(this: &mut Arc<Self>, origin: ReplicaId, head: Head, depth: usize) -> bool {
        let node = Arc::make_mut(this);
        node.summary.take();
        match &mut node.kind {
            Kind::Branch(count, children) => {
                let is_new = Self::set(&mut children[nibble(origin, depth)], origin, head, depth + 1);
                *count += usize::from(is_new);
                is_new
            }
            Kind::Bucket(entries) => {
                let place = find(entries, origin);
                match place {
                    Ok(at) => entries[at].1 = head,
                    Err(at) => entries.insert(at, (origin, head)),
                }
                if entries.len() > BUCKET {
                    node.kind = Kind::of(entries, depth);
                }
                place.is_err()
            }
        }
    }

    /// Takes out an origin that is there.
    pub(super) fn remove(this: &mut Arc<Self>, origin: ReplicaId, depth: usize) {
        let node = Arc::make_mut(this);
        node.summary.take();
        match &mut node.kind {
            Kind::Bucket(entries) => entries.retain(|(other, _)| *other != origin),
            Kind::Branch(count, children) => {
                Self::remove(&mut children[nibble(origin, depth)], origin, depth + 1);
                *count -= 1;
                if *count <= BUCKET {
                    node.kind = Kind::Bucket(children.iter().flat_map(|child| child.iter()).collect());
                }
            }
        }
    }

    /// All heads, in the order of their origins.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let (mut waiting, mut bucket) = (vec![self], [].iter());
        std::iter::from_fn(move || {
            loop {
                if let Some(entry) = bucket.next() {
                    return Some(*entry);
                }
                match &waiting.pop()?.kind {
                    Kind::Bucket(entries) => bucket = entries.iter(),
                    Kind::Branch(_, children) => waiting.extend(children.iter().rev().map(|child| &**child)),
                }
            }
        })
    }

    pub(super) fn last(&self) -> Option<ReplicaId> {
        match &self.kind {
            Kind::Bucket(entries) => entries.last().map(|(origin, _)| *origin),
            Kind::Branch(_, children) => children.iter().rev().find_map(|child| child.last()),
        }
    }

    /// The nodes one digit further; `None` for a bucket.
    pub(super) fn children(&self) -> Option<&[Arc<Self>; 16]> {
        match &self.kind {
            Kind::Bucket(_) => None,
            Kind::Branch(_, children) => Some(children),
        }
    }

    /// The tree of the heads whose origins begin with `prefix`.
    pub(super) fn under(this: &Arc<Self>, prefix: &Prefix) -> Arc<Self> {
        let mut node = this;
        for digit in prefix.digits() {
            match &node.kind {
                Kind::Branch(_, children) => node = &children[usize::from(*digit)],
                Kind::Bucket(entries) => {
                    let below: Vec<_> = entries.iter().filter(|(origin, _)| prefix.holds(*origin)).copied().collect();
                    return Self::build(&below, prefix.digits().len());
                }
            }
        }
        node.clone()
    }

    pub(super) fn summary(&self) -> &Summary {
        self.summary.get_or_init(|| self.kind.summary())
    }

    fn digest(&self) -> HeadsDigest {
        self.summary().digest
    }

    /// Adds what differs between two nodes at the same place, in the order of the origins.
    pub(super) fn differences(ours: &Arc<Self>, theirs: &Arc<Self>, found: &mut Vec<Difference>) {
        match (ours.children(), theirs.children()) {
            _ if Arc::ptr_eq(ours, theirs) => {}
            (Some(ours_below), Some(theirs_below)) => {
                let pairs = || ours_below.iter().zip(theirs_below).filter(|(ours, theirs)| !Arc::ptr_eq(ours, theirs));
                if pairs().count() > SHARED && ours.digest() == theirs.digest() {
                    return;
                }
                pairs().for_each(|(ours, theirs)| Self::differences(ours, theirs, found));
            }
            _ => merge(ours, theirs, found),
        }
    }
}

impl Kind {
    fn of(entries: &[Entry], depth: usize) -> Self {
        if entries.len() <= BUCKET {
            return Self::Bucket(entries.to_vec());
        }
        let mut rest = entries;
        let children = std::array::from_fn(|digit| {
            let (child, behind) = rest.split_at(rest.partition_point(|(origin, _)| nibble(*origin, depth) <= digit));
            rest = behind;
            Node::build(child, depth + 1)
        });
        Self::Branch(entries.len(), children)
    }

    fn summary(&self) -> Summary {
        let (mut bundles, mut latest) = (0, [NTP64(0); 2]);
        let mut note = |time: NTP64| latest = [latest[0].max(time), latest[1].max(latest[0].min(time))];
        let digest = match self {
            Self::Bucket(entries) => {
                for (_, head) in entries {
                    bundles += u128::from(head.seq.get());
                    note(head.time);
                }
                HeadsDigest::of_bucket(entries)
            }
            Self::Branch(_, children) => {
                for below in children.iter().map(|child| child.summary()) {
                    bundles += below.bundles;
                    below.latest.into_iter().for_each(&mut note);
                }
                HeadsDigest::of_branch(children.iter().map(|child| child.digest()))
            }
        };
        Summary { digest, bundles, latest }
    }
}

fn find(entries: &[Entry], origin: ReplicaId) -> Result<usize, usize> {
    entries.binary_search_by_key(&origin, |(origin, _)| *origin)
}

/// Compares head by head.
fn merge(ours: &Node, theirs: &Node, found: &mut Vec<Difference>) {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        let next = ours.peek().map(|(origin, _)| *origin).into_iter().chain(theirs.peek().map(|(origin, _)| *origin));
        let Some(origin) = next.min() else { return };
        let head = |found: Option<Entry>| found.map_or(Head::NONE, |(_, head)| head);
        let ours = head(ours.next_if(|(other, _)| *other == origin));
        let theirs = head(theirs.next_if(|(other, _)| *other == origin));
        if ours != theirs {
            found.push(Difference { origin, ours, theirs });
        }
    }
}
