//! Random input: steps for stores, histories for projections, and a source of chance that can be repeated.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

mod history;
mod steps;

pub use history::{Choices, Draft, choices, drafts};
pub use steps::{AUTHORS, Anew, Change, Expectation, Flaw, KEYS, Step, Successor, VIEWS, steps};

/// The seed of random cases, unless `SYNCLINE_CONFORMANCE_SEED` names another one.
const SEED: u64 = 20_250_101;
/// How many random cases a law tries unless `SYNCLINE_CONFORMANCE_CASES` says otherwise.
const CASES: u64 = 24;
/// How many random cases a law may skip because they would prove nothing: a fixed number, and some more for each case that it tries.
const PASSED_OVER_MAX: (u32, u32) = (1_000, 40);

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} takes a number, not `{text}`")))
}

/// The seed of random cases. It is printed when a case fails, so that you can run it again.
pub fn seed() -> u64 {
    number("SYNCLINE_CONFORMANCE_SEED", SEED)
}

/// How many random cases to try.
pub fn cases() -> u64 {
    number("SYNCLINE_CONFORMANCE_CASES", CASES)
}

/// A source of random cases that gives the same ones for the same seed.
pub fn runner() -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_be_bytes());
    let cases = u32::try_from(cases()).unwrap_or(u32::MAX);
    let (some, per_case) = PASSED_OVER_MAX;
    let max_global_rejects = cases.saturating_mul(per_case).saturating_add(some);
    let config = Config { cases, max_global_rejects, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
