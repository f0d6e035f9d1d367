//! All entries as they were at a past moment.

use maud::{Markup, html};
use syncline::NTP64;

use super::words::{excerpt, time};
use super::{Shown, document, entries, status};
use crate::client::ClientError;
use crate::{Client, Field};

/// Steps of the slider.
const STEPS: u64 = 1_000;
/// Entries that are shown.
const ENTRIES: usize = 50;

/// The rows at so many of [`STEPS`] between the first change and now.
pub(crate) async fn past(client: &Client, step: Option<u64>) -> Result<Markup, ClientError> {
    let shown = Shown::of(client).await?;
    let step = step.unwrap_or(STEPS).min(STEPS);
    let (first, now) = client.lifetime().await?;
    let at = NTP64(
        first.0
            + u64::try_from(u128::from(now.0.saturating_sub(first.0)) * u128::from(step) / u128::from(STEPS))
                .unwrap_or(0),
    );
    let past = client.past(at, ENTRIES).await?;
    let content = html! {
        h2 #past-head tabindex="-1" { "The past" }
        form.slide method="get" action=(shown.at("past")) data-live {
            label for="step" { "Between the first change and now" }
            input #step type="range" name="step" min="0" max=(STEPS) value=(step) aria-describedby="past-at";
            button.fallback { "Show" }
        }
        p #past-at role="status" { (time(past.at)) ": " @if past.count == 1 { "1 entry." } @else { (past.count) " entries." } }
        ul.entries {
            @for (id, entry) in &past.entries {
                li #{ "past-" (id) } .entry {
                    a.title href=(shown.at(format_args!("entry/{id}"))) dir="auto" { (excerpt(entry.text(Field::Title))) }
                    (entries::facts(entry))
                }
            }
        }
    };
    Ok(document(client, "The past", &status::top(&shown), &content))
}
