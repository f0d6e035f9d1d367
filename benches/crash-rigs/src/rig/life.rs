//! The life of one store: written to, crashed, opened, looked into, again and again.

use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng as _, RngExt as _};

use super::ground::Ground;
use super::hand::Hand;
use super::worker::{Line, Worker};
use super::{RigError, Series};
use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::message::Message;
use crate::report::{Outcome, Trouble};
use crate::setting::Promise;
use crate::work::Task;

/// For how long the store is written to before it is crashed.
const WRITING: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(120)];
/// Crashes that are to hit an import come within this time after a snapshot begins to take the place of a log, or has taken it.
const IMPORTING_MAX: Duration = Duration::from_millis(10);
/// Crashes while it is being opened come within this, or within half as long again as opening took the last time.
const OPENING_MIN: Duration = Duration::from_millis(2);
const OPENING_MAX: Duration = Duration::from_millis(500);

/// One store.
pub(super) struct Life<'a> {
    series: &'a Series,
    script: u64,
    chance: Chance,
    crashes: u64,
    ground: &'a mut Ground,
    hand: &'a mut Hand,
    outcome: &'a mut Outcome,
    ledger: Ledger,
    /// How long opening took the last time.
    opening: Duration,
    /// Whether the last process has crashed, so that the next opening is a recovery.
    is_crashed: bool,
}

/// When to crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Opening,
    Writing,
    /// Just when a snapshot takes the place of a log.
    Replacing,
    /// Just when a snapshot has taken the place of a log, and its rows are written.
    Filling,
}

/// Whether the store continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    /// It cannot be opened.
    No,
}

impl<'a> Life<'a> {
    pub(super) fn new(
        series: &'a Series,
        mut chance: Chance,
        crashes: u64,
        ground: &'a mut Ground,
        hand: &'a mut Hand,
        outcome: &'a mut Outcome,
    ) -> Self {
        let script = chance.next_u64();
        let (ledger, opening) = (Ledger::default(), OPENING_MAX.min(Duration::from_millis(10)));
        Self { series, script, chance, crashes, ground, hand, outcome, ledger, opening, is_crashed: false }
    }

    /// Crashes it as often as it shall be, then opens and closes it twice: the second time shows what the first one has left.
    pub(super) fn run(mut self) -> Result<(), RigError> {
        let mut left = self.crashes;
        // Some are crashed before they have come to be.
        let mut opening = u64::from(self.chance.random_ratio(1, 4));
        while left > 0 {
            let moment = match opening {
                0 => [Moment::Writing, Moment::Writing, Moment::Replacing, Moment::Filling]
                    [self.chance.random_range(0..4)],
                _ => Moment::Opening,
            };
            if self.crash(moment)? == Goes::No {
                return self.give_up();
            }
            left -= 1;
            opening = match moment {
                Moment::Opening => opening - 1,
                // Half of the crashes are followed by another while the store recovers, a few by several: a third of all.
                _ => [0, 0, 0, 0, 1, 1, 1, 2][self.chance.random_range(0..8)],
            };
        }
        for _ in 0..2 {
            if self.look()? == Goes::No {
                return self.give_up();
            }
        }
        Ok(())
    }

    fn is_control(&self) -> bool {
        self.series.setting.promise(self.series.crash) == Promise::Loses
    }

    fn start(&mut self, writes: bool) -> Result<Worker, RigError> {
        let task = Task {
            setting: self.series.setting,
            folder: self.ground.folder().to_owned(),
            url: self.ground.url(),
            script: self.script,
            chance: self.chance.next_u64(),
            ledger: self.ledger.clone(),
            writes,
        };
        self.ground.start()?;
        Worker::start(&self.series.program, &task, &self.ground.log())
    }

    fn crash(&mut self, moment: Moment) -> Result<Goes, RigError> {
        let mut worker = self.start(true)?;
        let began = match moment {
            Moment::Opening => worker.wait_for(|message| *message == Message::Opening),
            Moment::Writing => worker.wait_for(|message| matches!(message, Message::Checked(_))),
            // If something fails, it may never come.
            Moment::Replacing => {
                worker.wait_for(|message| matches!(message, Message::Replacing(_) | Message::Failed(_)))
            }
            Moment::Filling => worker.wait_for(|message| matches!(message, Message::Replaced(_) | Message::Failed(_))),
        };
        if began {
            let [low, high] = match moment {
                Moment::Opening => [Duration::ZERO, (self.opening * 3 / 2).clamp(OPENING_MIN, OPENING_MAX)],
                Moment::Writing => WRITING,
                Moment::Replacing | Moment::Filling => [Duration::ZERO, IMPORTING_MAX],
            };
            let mut span = self.chance.random_range(low..=high);
            if moment == Moment::Writing && self.is_control() && self.chance.random_ratio(1, 2) {
                // As the system does by itself every few seconds: so that a loss is not always one of everything.
                span /= 2;
                thread::sleep(span);
                self.ground.write_back()?;
            }
            thread::sleep(span);
        }
        let crashed = Instant::now();
        let late = self.ground.crash(self.hand, &mut worker)?;
        let lines = worker.end()?;
        self.ground.come_back()?;
        self.outcome.crashes += 1;
        self.outcome.while_opening += u64::from(!lines.iter().any(|(_, it)| matches!(it, Message::Opened(_))));
        self.take(lines, Some(crashed), late);
        self.is_crashed = true;
        Ok(if began { Goes::On } else { Goes::No })
    }

    /// Opens the store, looks into it, and closes it.
    fn look(&mut self) -> Result<Goes, RigError> {
        let mut worker = self.start(false)?;
        let looked = worker.wait_for(|message| matches!(message, Message::Checked(_)));
        if !looked {
            self.ground.crash(self.hand, &mut worker)?;
        }
        let lines = worker.end()?;
        if !looked {
            self.ground.come_back()?;
        }
        self.take(lines, None, u64::MAX);
        self.is_crashed = false;
        Ok(if looked { Goes::On } else { Goes::No })
    }

    /// Writes down what a process has said, up to its end.
    fn take(&mut self, lines: Vec<Line>, crashed: Option<Instant>, late: u64) {
        let acknowledged = self.ledger.acknowledged;
        for (when, message) in lines {
            match message {
                Message::Opening => {}
                Message::Opened(micros) => {
                    self.opening = Duration::from_micros(micros);
                    if self.is_crashed {
                        self.outcome.recoveries.push(micros);
                    }
                }
                Message::Checked(report) => {
                    report.found.iter().for_each(|found| self.ledger.settle(found));
                    self.outcome.looked(&report);
                }
                Message::Replacing(replacing) => self.ledger.replace(replacing),
                Message::Replaced(done) if done.when >= late => self.outcome.late += 1,
                Message::Replaced(done) => self.ledger.replaced(done),
                Message::Intended(intended) => self.ledger.intend(intended),
                Message::Acknowledged(done) if done.when >= late => {
                    self.outcome.late += 1;
                    self.ledger.intend(done.intended());
                }
                Message::Acknowledged(done) => self.ledger.acknowledge(done),
                // Once the power is gone, commits must fail.
                Message::Failed(why) if crashed.is_none_or(|crashed| when < crashed) => {
                    self.outcome.failed += 1;
                    self.outcome.note(Trouble::Failed(why));
                }
                Message::Failed(_) => {}
            }
        }
        self.outcome.acknowledged += self.ledger.acknowledged - acknowledged;
    }

    fn give_up(self) -> Result<(), RigError> {
        let expected = self.ledger.expected();
        self.outcome.unopenable += 1;
        self.outcome.lost += expected;
        self.outcome.cycles_with_loss += u64::from(expected > 0);
        self.outcome.note(Trouble::Unopenable(self.ground.last_words()));
        Ok(())
    }
}
