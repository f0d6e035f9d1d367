//! The convergence lab as a program.
#![allow(clippy::print_stdout, missing_docs)]
use syncline_sim::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (seed, count, profile): (u64, u64, Profile) = (args[1].parse().unwrap(), args[2].parse().unwrap(), args[3].parse().unwrap());
    let story = args.get(4).is_some();
    let (mut steps, mut polls, mut bad) = (0, 0, 0);
    let start = std::time::Instant::now();
    let mut tally = std::collections::BTreeMap::new();
    for seed in seed..seed + count {
        let outcome = run_seed(seed, profile, 200, story);
        steps += outcome.steps; polls += outcome.polls;
        for (fault, n) in outcome.tally.iter() { if n > 0 { *tally.entry(fault).or_insert(0u64) += 1; } }
        for line in outcome.story { println!("{:10.3} {}", line.at as f64 / 1e6, line.text); }
        if let Some(finding) = outcome.finding { bad += 1; if bad <= 10 { println!("seed {seed}: {finding}"); } }
    }
    let secs = start.elapsed().as_secs_f64();
    println!("{profile}: {count} histories, {bad} bad, {steps} steps, {polls} polls, {:.0} histories/s, {:.0} steps/s", count as f64 / secs, steps as f64 / secs);
    println!("{tally:?}");
}
