//! What a piece of work costs this process.

use std::time::{Duration, Instant};

use crate::Failure;

/// What something took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Of the whole process, all threads, to a hundredth of a second.
    pub cpu: Duration,
    /// By the clock on the wall.
    pub wall: Duration,
}

/// When something began.
#[derive(Debug)]
pub struct Begun {
    cpu: Duration,
    wall: Instant,
}

impl Begun {
    /// Now.
    ///
    /// # Errors
    /// [`Failure`] on other systems than Linux, because only Linux has the measure.
    pub fn now() -> Result<Self, Failure> {
        Ok(Self { cpu: cpu_of_this_process()?, wall: Instant::now() })
    }

    /// What this process has taken since then.
    ///
    /// # Errors
    /// As [`now`](Self::now).
    pub fn cost(&self) -> Result<Cost, Failure> {
        Ok(Cost { cpu: cpu_of_this_process()? - self.cpu, wall: self.wall.elapsed() })
    }
}

fn cpu_of_this_process() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, and may hold blanks. User and system time are the 14th and the 15th.
    let fields = stat.rsplit_once(')').ok_or("the system does not tell the time")?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(10 * ticks))
}
