//! When the faults stop: everything must be exchanged within a stated number of rounds, and then everything must be right.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::Shape;
use crate::executor::Spins;
use crate::finding::Law;
use crate::invariants::{archived, aside, equal, kept, log, once, oracle, pieces, pure, rebuild, refusals, taken};
use crate::ledger::Name;
use crate::meeting;
use crate::trace::FAULTS_STOP;
use crate::world::World;

/// How long things under way may take to end.
const REST: Duration = Duration::from_secs(60);
/// How long a device may wait with a bundle that may have been sent, instead of giving it another name: twice the bound.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How often the world waits so.
const WAITS_MAX: u32 = 2;
/// How often applications may have to help before the world is given up.
const RESPONSES_MAX: usize = 12;
/// How many rounds may meet a peer that fails, after the faults have stopped.
const FAILED_MAX: u32 = 2;

/// One of the laws that must hold at rest.
type LawCheck = fn(&World) -> Result<(), crate::finding::Finding>;

impl World {
    /// Stops all faults, syncs everybody with everybody, and checks everything.
    pub(crate) fn heal(&mut self) -> Result<(), Spins> {
        self.sim.tell(|| FAULTS_STOP.into());
        self.end_faults();
        if !self.rest()? {
            return Ok(());
        }
        self.fold_at_last()?;
        let held = kept::held(self);
        self.settle()?;
        self.look_at_all()?;
        if self.sim.finding().is_none() {
            self.check(&held)?;
        }
        Ok(())
    }

    fn end_faults(&mut self) {
        self.net.heal();
        self.access.grant_all();
        self.release_claims();
        self.disks().iter().for_each(|disk| disk.repair());
        self.keeper.iter().for_each(|keeper| keeper.archive.repair());
        let clocks = self.places.iter().map(|place| &place.device.clock);
        clocks.chain(self.servers.iter().map(|server| &server.clock)).for_each(|clock| clock.correct());
        for index in 0..self.places.len() {
            if self.places[index].left {
                continue;
            }
            self.upgrade(index);
        }
    }

    /// Waits until nothing is under way. Returns whether that was so in time.
    pub(crate) fn rest(&mut self) -> Result<bool, Spins> {
        let limit = self.sim.now().after(REST);
        if self.exec.run_to_rest(limit)? {
            return Ok(true);
        }
        let detail = format!("after {} s without a fault something is still under way", REST.as_secs());
        let troubles = self.places.iter().filter_map(|place| place.device.trouble());
        let detail = std::iter::once(detail).chain(troubles).collect::<Vec<_>>().join("; ");
        self.sim.found(Law::ComesToRest, detail);
        Ok(false)
    }

    /// Rounds of syncs, with the help of applications if the engine cannot continue alone.
    fn settle(&mut self) -> Result<(), Spins> {
        self.pass(self.plan.mix.catch_up)?;
        if self.plan.mix.alone {
            return Ok(());
        }
        // What was told under wrong clocks does not count.
        let (_, mut waits) = (self.promised_wait(), 0);
        for _ in 0..RESPONSES_MAX {
            let (mut good, mut failed) = (0, 0);
            while good < self.rounds() {
                let before = self.failures();
                self.rounds_taken += u32::from(equal::logs(self).is_err());
                self.round()?;
                if self.sim.finding().is_some() {
                    return Ok(());
                }
                // A service learns of an unusable store by using it.
                if self.failures() == before || failed == FAILED_MAX {
                    good += 1;
                } else {
                    failed += 1;
                }
            }
            match self.promised_wait().filter(|_| waits < WAITS_MAX) {
                Some(wait) => {
                    waits += 1;
                    self.pass(wait)?;
                }
                None if !self.respond()? => return Ok(()),
                None => self.helped = true,
            }
        }
        self.sim.found(Law::ComesToRest, "applications have to help again and again");
        Ok(())
    }

    /// How long it takes until peers take what may have been sent and is too far ahead, if a device has told that it waits for that.
    fn promised_wait(&self) -> Option<Duration> {
        let wait = self.places.iter().map(|place| place.device.take_wait()).max()?;
        Some(wait + Duration::from_secs(1)).filter(|_| (1..=WAIT_MAX.as_millis()).contains(&wait.as_millis()))
    }

    fn failures(&self) -> u32 {
        self.places.iter().map(|place| place.device.failures()).sum()
    }

    /// So many rounds are enough: one to push, one to pull; along a chain one for every link.
    pub(crate) fn rounds(&self) -> usize {
        match self.plan.shape {
            Shape::Chain => self.places.len().max(2),
            _ => 2,
        }
    }

    /// Every device syncs with each of its peers: all at once, or one after the other.
    pub(crate) fn round(&mut self) -> Result<(), Spins> {
        let mut here: Vec<usize> = (0..self.places.len()).filter(|index| !self.places[*index].left).collect();
        let mut rng = crate::rng::Rng::stream(self.plan.seed, 100 + self.steps);
        rng.shuffle(&mut here);
        let at_once = rng.chance(500);
        for index in here {
            // Servers on one store are one peer.
            let one_peer = self.databases.len() == 1;
            let peers = if one_peer { 1 } else { self.doors(index).len() };
            for peer in 0..peers {
                self.steps += 1;
                let peer = if one_peer { rng.below(8) as usize } else { peer };
                self.sync(index, peer);
                if !at_once && !self.rest()? {
                    return Ok(());
                }
            }
        }
        self.rest()?;
        Ok(())
    }

    fn check(&mut self, held: &BTreeSet<Name>) -> Result<(), Spins> {
        let laws: [LawCheck; 12] = [
            log::is_as_committed,
            equal::logs,
            once::written,
            pure::repeatable,
            aside::alike,
            equal::rows,
            pure::ordered,
            rebuild::rows,
            pieces::of_rows,
            oracle::rows,
            taken::leaves_nothing,
            archived::is_whole,
        ];
        for law in laws {
            if let Err(finding) = law(self) {
                self.sim.found(finding.law, finding.detail);
                return Ok(());
            }
        }
        let fast = self.servers.iter().any(|server| server.clock.was_fast());
        let logs: Vec<_> = self.disks().iter().map(|disk| disk.log.clone()).collect();
        let checked = self.witness.times().map(|times| times.check(fast, &self.witness.ledger(), &logs));
        if let Some(Err(finding)) = checked {
            self.sim.found(finding.law, finding.detail);
            return Ok(());
        }
        if let Err(finding) = kept::acknowledged(self, held) {
            self.sim.found(finding.law, finding.detail);
            return Ok(());
        }
        refusals::check(self)?;
        self.note_end();
        Ok(())
    }

    /// The end's heads go into the trace.
    fn note_end(&mut self) {
        self.touched = meeting::touched(self);
        let disks = self.disks();
        let Some(disk) = disks.first() else { return };
        disk.with_image(|image| {
            for (_, head) in image.heads().iter() {
                let chain = head.chain.to_bytes();
                self.sim.note(u64::from_be_bytes(chain[..8].try_into().expect("8 of 32 bytes")));
            }
        });
    }

    /// Runs one thing to its end, while everything else runs too.
    pub(crate) fn drive<T: Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<Option<T>, Spins> {
        let (sender, mut receiver) = futures_channel::oneshot::channel();
        self.sim.spawn(crate::world::WORLD, async move {
            let _ = sender.send(future.await);
        });
        self.rest()?;
        Ok(receiver.try_recv().ok().flatten())
    }
}
