//! Which clock a session believes, and what follows: a correction of this device's clock, and new times for its unseen tail.
//!
//! The rules of belief are in [`crate::trust`]; the rules of new times in [`crate::replica::restamp`].

use std::collections::BTreeMap;

use super::{Session, SyncError};
use crate::format::heads::Heads;
use crate::format::time::{NTP64, Offset, TIMES_END, after};
use crate::id::{LogId, Seq};
use crate::protocol::PeerHeads;
use crate::replica::heal::{PeerClock, Repair};
use crate::replica::peers::Peers;
use crate::replica::turn::Turn;
use crate::replica::{Inner, locked};
use crate::store::RowWrite;
use crate::trust::{CORRECTION_MAX, ClockDoubt, Contact, Evidence, Verdict, proven};

/// What a session makes of both clocks.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    /// What they showed.
    met: Contact,
    /// Which of them is believed.
    verdict: Verdict,
    /// The last bundles of all origins that have come through a server: of others in this log, and of all in the peer's.
    ours: Heads,
    theirs: Heads,
    /// The largest time of them.
    newest: NTP64,
    /// The largest time in this log.
    latest: NTP64,
}

impl Clocks {
    pub(super) fn weigh(turn: &Turn<'_>, peers: &Peers, theirs: &PeerHeads, met: Contact) -> Self {
        let (mut ours, theirs_at) = (turn.status.heads.clone(), theirs.head.log);
        ours.remove(turn.id);
        let newer = ours.differences(&theirs.heads).into_iter().map(|differ| differ.ours.time);
        let (theirs, newest) = (theirs.heads.clone(), newer.fold(theirs.heads.latest()[0], NTP64::max));
        let clocks = Self { met, verdict: Verdict::Agree, ours, theirs, newest, latest: turn.status.high_water() };
        clocks.weighed(turn.inner, peers, theirs_at, met)
    }

    /// The last time of each origin.
    fn times(&self) -> impl Iterator<Item = NTP64> {
        let mut times: BTreeMap<_, _> = self.theirs.iter().map(|(origin, head)| (origin, head.time)).collect();
        for (origin, head) in self.ours.iter() {
            times.entry(origin).and_modify(|time| *time = head.time.max(*time)).or_insert(head.time);
        }
        times.into_values()
    }

    /// What is made of the clocks if they show this now.
    fn weighed(self, inner: &Inner, peers: &Peers, log: LogId, met: Contact) -> Self {
        let drift = inner.clock.max_drift();
        let evidence = Evidence {
            now: met,
            drift,
            proven: proven(self.newest, || self.times(), met, drift),
            latest: self.latest,
            before: peers.contact(log),
            others: &peers.other_contacts(log),
        };
        Self { met, verdict: evidence.weigh(), ..self }
    }

    /// Whether the peer's clock may stand for times that this device's does not reach yet. Not if the peer is more than a year ahead, or
    /// shows nothing, and nothing proves it right.
    pub(super) fn may_vouch(&self) -> bool {
        match self.verdict {
            Verdict::Agree | Verdict::Off(_) => true,
            Verdict::Doubt(ClockDoubt::NotSet) => false,
            Verdict::Doubt(_) => self.met.offset() < Offset::ZERO || self.met.offset().size() <= CORRECTION_MAX,
        }
    }
}

impl Session<'_> {
    /// Before a push: ends a correction that the peer's answer does not support, or makes the one that it proves, and gives the unseen
    /// tail the times that it should have had.
    pub(super) async fn settle_clocks(&mut self) -> Result<(), SyncError> {
        let now = self.inner.clock.correction();
        let by = match self.clocks.verdict {
            Verdict::Agree => Some(Offset::ZERO),
            // A device that is behind, or whose clock shows nothing, is corrected at once.
            Verdict::Off(by) if by > Offset::ZERO || self.clocks.met.ours >= TIMES_END => Some(by),
            // One that is ahead is corrected when the peer does not take its bundles, and from then on as long as it says the same.
            Verdict::Off(by) => now.map(|_| by),
            Verdict::Doubt(doubt) => {
                self.doubt(doubt);
                None
            }
        };
        self.correct(by.unwrap_or_default());
        if let Some(off) = by {
            let (seen, peer) = (self.unseen_from().await, PeerClock { off, ..self.peer_clock() });
            if self.may_need_times(seen, off).await? {
                self.report.restamped += self.inner.heal(seen, None, Repair::Restamp { peer }).await?.count();
            }
        }
        Ok(())
    }

    /// Corrects this device's clock, or ends a correction, and says so in the report.
    pub(super) fn correct(&mut self, by: Offset) {
        self.inner.clock.correct(by);
        self.report.clock_corrected_ms = (by != Offset::ZERO).then(|| by.millis());
    }

    /// What the peer says of its clock, if it is believed.
    pub(super) fn believed(&self) -> Option<PeerClock> {
        match self.clocks.verdict {
            Verdict::Agree => Some(self.peer_clock()),
            Verdict::Off(off) => Some(PeerClock { off, ..self.peer_clock() }),
            Verdict::Doubt(_) => None,
        }
    }

    fn peer_clock(&self) -> PeerClock {
        PeerClock { now: self.clock, allowed: self.allowed(), off: Offset::ZERO }
    }

    /// Takes note of what the peer says of its clock now.
    pub(super) fn hear_clock(&mut self, clock: NTP64) {
        self.clock = clock;
        let met = Contact { theirs: clock, ours: self.inner.clock.uncorrected() };
        self.clocks = self.clocks.clone().weighed(self.inner, &locked(&self.inner.peers), self.row.cursor.log, met);
        if let Verdict::Doubt(doubt) = self.clocks.verdict {
            self.doubt(doubt);
        }
    }

    /// The last own bundle that may be elsewhere: only what follows is rewritten in place.
    async fn unseen_from(&self) -> Seq {
        self.inner.turn().await.seen()
    }

    /// Why the peer's clock is not believed.
    pub(super) fn doubted(&self) -> Option<ClockDoubt> {
        match self.clocks.verdict {
            Verdict::Doubt(doubt) => Some(doubt),
            Verdict::Agree | Verdict::Off(_) => None,
        }
    }

    /// Names the peer's clock as the one that is not believed.
    fn doubt(&mut self, doubt: ClockDoubt) {
        self.report.clock_doubt = Some(doubt);
        locked(&self.inner.peers).set_doubt(Some(doubt));
    }

    /// Whether a bundle behind `seen` may have another time than it should have had. Cheap, since the answer is almost always no.
    async fn may_need_times(&self, seen: Seq, by: Offset) -> Result<bool, SyncError> {
        let turn = self.inner.turn().await;
        let head = turn.status.heads.get(turn.id);
        if head.seq <= seen {
            return Ok(false);
        }
        let now = by.after(self.inner.clock.uncorrected());
        let ahead = head.time > after(now, self.inner.clock.max_drift());
        Ok(ahead || by != Offset::ZERO || turn.readings().await?.reach_beyond(seen))
    }

    /// What the clocks showed, unless the like of it is kept in mind already. A contact at which one clock was known to be wrong says
    /// nothing of later ones, and takes no other's place.
    pub(super) fn to_keep_in_mind(&self) -> Option<Contact> {
        let Clocks { met, verdict, .. } = &self.clocks;
        let wrong = match verdict {
            Verdict::Agree => false,
            Verdict::Off(by) => *by > Offset::ZERO || met.ours >= TIMES_END,
            Verdict::Doubt(doubt) => {
                matches!(doubt, ClockDoubt::NotSet | ClockDoubt::BehindTheLog | ClockDoubt::Unproven)
            }
        };
        let known = locked(&self.inner.peers).contact(self.row.cursor.log);
        let is_new = known.is_none_or(|known| known.is_outdated(*met, self.inner.clock.max_drift()));
        (!wrong && is_new).then_some(*met)
    }

    /// Forgets what the clock showed when bundles were written that the peer has now.
    pub(super) async fn end_of_readings(&self) -> Result<Vec<RowWrite>, SyncError> {
        let turn = self.inner.turn().await;
        if self.report.pushed == 0 || turn.id != self.own {
            return Ok(Vec::new());
        }
        Ok(turn.readings().await?.forget_through(turn.id, self.row.acked))
    }
}
