//! Histories that found a fault of the engine once. They stay for ever.

use crate::case::Case;
use crate::profile::Profile;

/// Steps of each.
const STEPS: usize = 200;

/// Every seed that ever found a fault of the engine, by the profile that it was drawn in.
const KEPT: &[(Profile, &[u64])] = &[
    (Profile::Calm, &[1, 15, 36]),
    (
        Profile::Crash,
        &[7, 9, 11, 84, 394, 453, 731, 11_528, 13_886, 30_938, 1_010_898, 233_468_184_942_361, 249_156_599_795_200],
    ),
    (Profile::Hostile, &[1, 99, 139, 168, 175, 176]),
    (
        Profile::Restore,
        &[
            3, 8, 17, 126, 162, 180, 228, 297, 462, 740, 836, 894, 907, 10_174, 11_953, 12_390, 12_722, 13_181, 13_728,
            13_896, 32_924, 4_000_141,
        ],
    ),
    (
        Profile::Mixed,
        &[
            2,
            68,
            113,
            244,
            288,
            295,
            358,
            380,
            399,
            418,
            467,
            740,
            772,
            774,
            943,
            986,
            8_979,
            13_199,
            13_338,
            13_729,
            15_442,
            51_342,
            1_002_088,
            1_018_441,
            2_000_355,
            2_015_872,
            2_019_818,
            9_833_103_849_407,
            110_774_686_652,
        ],
    ),
    (Profile::Twins, &[1_002_994]),
    (Profile::Large, &[2_026_117_576]),
    (Profile::Flaky, &[5_005_805]),
    (Profile::Proxied, &[778_969, 2_001_163]),
    (Profile::Folded, &[78_349, 779_014, 4_004_459, 271_159_238_179_407]),
    // The engine's faults, and those of the lab's own judgement.
    (Profile::Times, &[5_220, 7_035, 7_358, 9_809, 9_849, 15_965, 21_053, 24_027, 27_190, 100_693, 101_780, 102_457]),
];

/// All of them.
pub fn kept() -> impl Iterator<Item = Case> {
    let cases = |(profile, seeds): &(Profile, &'static [u64])| {
        let profile = *profile;
        seeds.iter().map(move |seed| Case::new(profile, *seed, STEPS))
    };
    KEPT.iter().flat_map(cases)
}
