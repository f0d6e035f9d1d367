//! The scenario of the demo without a person: each step in plain words, and a verdict.

use std::fmt;

use client_view::client::Trouble;
use client_view::{Client, ClientError, EntryId};
use syncline::replica::SyncReport;

use crate::{Comparison, DemoError, Passage, Seat, Stage};

mod acts;
mod ledger;

pub use ledger::Ledger;

/// How often everybody syncs at most until all four are equal. Two rounds do if nothing is in the way: one up, one down.
const ROUNDS_MAX: usize = 5;

/// What the scenario came to.
#[derive(Debug)]
pub struct Verdict {
    /// How the four stand at its end.
    pub comparison: Comparison,
    /// What was written and is not there any more.
    pub lost: Vec<String>,
    /// What should have happened on the way, and did not.
    pub missed: Vec<String>,
}

impl Verdict {
    /// Whether all four are equal, nothing was lost, and everything happened that should.
    pub fn holds(&self) -> bool {
        self.comparison.all_equal() && self.lost.is_empty() && self.missed.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.comparison)?;
        self.missed.iter().try_for_each(|missed| writeln!(f, "This should have happened, and did not: {missed}."))?;
        self.lost.iter().try_for_each(|lost| writeln!(f, "Lost: {lost}."))?;
        f.write_str(if self.lost.is_empty() { "Nothing was lost." } else { "Something was lost." })
    }
}

/// Plays the scenario, and tells each step to `say`.
///
/// # Errors
/// [`DemoError`] if the demo itself cannot go on. What goes wrong between the replicas is told by the [`Verdict`].
pub async fn play(stage: &Stage, say: &mut (dyn FnMut(&str) + Send)) -> Result<Verdict, DemoError> {
    let mut scene = Scene { stage, ledger: Ledger::default(), clones: Vec::new(), missed: Vec::new(), say };
    match acts::play(&mut scene).await {
        // It should have come to this device: an act cannot go on without it.
        Err(DemoError::Client(missing @ ClientError::NoSuchEntry(_))) => scene.expect(false, &missing.to_string()),
        played => played?,
    }
    let Scene { ledger, missed, .. } = scene;
    let lost = stage.server.look(async |replica| ledger.missing(replica).await).await?;
    let lost = lost.unwrap_or_else(|| vec!["everything: the server is stopped".into()]);
    Ok(Verdict { comparison: Comparison::of(stage).await?, lost, missed })
}

/// The scenario while it is played.
struct Scene<'a> {
    stage: &'a Stage,
    ledger: Ledger,
    /// Clones of devices sync like the others.
    clones: Vec<Client>,
    missed: Vec<String>,
    say: &'a mut (dyn FnMut(&str) + Send),
}

impl<'a> Scene<'a> {
    fn say(&mut self, line: impl AsRef<str>) {
        (self.say)(line.as_ref());
    }

    /// Begins an act.
    fn act(&mut self, title: &str) {
        self.say(format!("\n{title}"));
    }

    fn seat(&self, device: usize) -> &'a Seat {
        &self.stage.seats[device]
    }

    fn client(&self, device: usize) -> &'a Client {
        &self.seat(device).client
    }

    fn set_link(&mut self, device: usize, passage: Passage) {
        let seat = self.seat(device);
        seat.link.set(passage);
        self.say(format!("  The link of {} is {passage}.", seat.client.name()));
    }

    /// Notes what a device has written.
    fn wrote(&mut self, client: &Client, entry: EntryId, text: &str) {
        self.say(format!("  {} writes \"{text}\".", client.name()));
        self.ledger.wrote(entry, text);
    }

    /// Notes what should be so.
    fn expect(&mut self, holds: bool, what: &str) {
        self.say(format!("  {} {what}", if holds { "Yes:" } else { "NO:" }));
        if !holds {
            self.missed.push(what.to_owned());
        }
    }

    /// A device syncs, and tells what came of it.
    async fn sync(&mut self, client: &Client) -> Result<SyncReport, Trouble> {
        let result = client.sync_now().await;
        match &result {
            Ok(report) => self.tell(client, report),
            Err(trouble) => self.say(format!("  {} does not sync. {trouble}", client.name())),
        }
        result
    }

    fn tell(&mut self, client: &Client, report: &SyncReport) {
        let SyncReport { pushed, pulled, restamped, moved, rehomed, refused, clock_corrected_ms, .. } = report;
        let mut told = vec![format!("{pushed} up, {pulled} down")];
        let counts =
            [(restamped, "got new times"), (moved, "moved to new times"), (rehomed, "moved to a new identity")];
        told.extend(counts.iter().filter(|(count, _)| **count > 0).map(|(count, what)| format!("{count} {what}")));
        told.extend(clock_corrected_ms.map(|millis| format!("its clock is corrected by {} s", millis / 1_000)));
        told.extend(refused.iter().map(|(_, refusal)| format!("refused: {}", refusal.message)));
        if *pushed + *pulled > 0 || told.len() > 1 {
            self.say(format!("  {} syncs: {}.", client.name(), told.join("; ")));
        }
    }

    /// Everybody syncs until all four are equal, and they become so.
    async fn settle(&mut self) -> Result<(), DemoError> {
        for _ in 0..ROUNDS_MAX {
            let devices: Vec<_> = self.stage.seats.iter().map(|seat| seat.client.clone()).collect();
            for client in devices.iter().chain(&self.clones.clone()) {
                // What is in the way was told, and shows in the comparison.
                let _ = self.sync(client).await;
            }
            if Comparison::of(self.stage).await?.all_equal() {
                break;
            }
        }
        self.compare(true).await
    }

    /// Tells how the four stand, which should be so.
    async fn compare(&mut self, equal: bool) -> Result<(), DemoError> {
        let comparison = Comparison::of(self.stage).await?;
        comparison.to_string().lines().for_each(|line| self.say(format!("    {line}")));
        if comparison.all_equal() != equal {
            self.expect(false, if equal { "all four are equal" } else { "they differ as long as the link is cut" });
        }
        Ok(())
    }
}
