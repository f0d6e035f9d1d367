//! How far off clocks are set, and how fast they run.

use crate::clock::years;
use crate::rng::Rng;

/// Rates of clocks: standing, slow, fast, almost right.
pub(crate) const RATES: &[(u32, i32)] = &[(3, 0), (2, 500_000), (2, 1_500_000), (3, 1_000_200)];

/// How far a server's clock falls behind, in seconds.
pub(crate) const ASTRAY: &[(u32, i64)] = &[(4, -70), (4, -3_600), (3, -2 * 86_400)];

/// How far it gets ahead.
pub(crate) const FAST: &[(u32, i64)] = &[(3, 70), (3, 3_600), (1, 400 * 86_400)];

/// Years that clocks show which were never set, or are broken.
pub(crate) const YEARS: &[(u32, u16)] = &[(3, 1970), (2, 2000), (2, 2150)];

/// How far off a device's clock is set, in seconds: minutes to ten years, either way.
pub(crate) fn skew(rng: &mut Rng) -> i64 {
    let spans = [(3, 90), (3, 3_600), (2, 86_400 * 30), (2, years(10))];
    let span = *rng.weighted(&spans).expect("there are spans");
    let off = rng.below(span as u64) as i64;
    if rng.chance(500) { off } else { -off }
}
