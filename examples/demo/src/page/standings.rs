//! Whether all four are equal, and by which digests.

use maud::{Markup, html};

use crate::Comparison;
use crate::compare::Standing;

/// Digits of a digest that are shown.
const DIGITS: usize = 8;

/// One sentence for all four.
pub(super) fn verdict(comparison: &Comparison) -> Markup {
    let (class, sentence) = match comparison {
        Comparison { with_server: false, .. } => ("warn", "The server is stopped. The devices go on without it."),
        equal if equal.all_equal() => ("good", "All four are equal: the same log, and the same rows."),
        _ => ("warn", "They differ. What is missing passes as soon as a link lets it."),
    };
    html! { p #verdict .banner.(class) { strong { (sentence) } } }
}

/// Each of the four, beside the first.
pub(super) fn table(comparison: &Comparison) -> Markup {
    let first = &comparison.standings[0];
    html! {
        div.wide tabindex="0" role="group" aria-label="How all four stand" {
            table #standings {
                thead {
                    tr {
                        th scope="col" { "Who" } th scope="col" { "Bundles" } th scope="col" { "Digest of the log" }
                        th scope="col" { "Digest of the rows" } th scope="col" { "Waiting" } th scope="col" { "Refused" }
                    }
                }
                tbody { @for one in &comparison.standings { (row(one, first)) } }
            }
        }
    }
}

/// What the table's words mean.
pub(super) fn words() -> Markup {
    html! {
        p.quiet {
            "A bundle is what one save wrote. The log is every bundle that was ever written, and the rows are what a page shows of it. \
             A server needs no rows. This one keeps them, so that all four can be compared."
        }
    }
}

fn row(one: &Standing, first: &Standing) -> Markup {
    let digest = |hash: blake3::Hash, of_first: blake3::Hash| {
        html! {
            code.same[hash == of_first].other[hash != of_first] { (&hash.to_hex()[..DIGITS]) }
            @if hash != of_first { " differs" }
        }
    };
    html! {
        tr {
            th scope="row" { (one.name) }
            td { (one.bundles) }
            td { (digest(one.digest.log(), first.digest.log())) }
            td { (digest(one.digest.rows(), first.digest.rows())) }
            td { (one.pending) }
            td { (one.refused) }
        }
    }
}
