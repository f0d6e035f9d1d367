//! What is written: attributes of entities, without chance, the same in every run.

use std::path::PathBuf;

/// Replicas that write.
pub(crate) const WRITERS: u64 = 4;
/// Writes of one bundle.
pub(crate) const PER_BUNDLE: usize = 100;
/// Bytes of a value.
const VALUE_BYTES: usize = 64;

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Writes of each replica.
    pub(crate) writes: usize,
    /// On how many keys all of them fall. 0: each write has a key of its own.
    pub(crate) keys: u64,
    /// Where the files are.
    pub(crate) folder: PathBuf,
}

impl Default for Plan {
    fn default() -> Self {
        Self { writes: 50_000, keys: 10_000, folder: "/dev/shm".into() }
    }
}

/// One write: an attribute of an entity gets a text.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) entity: String,
    pub(crate) attribute: String,
    pub(crate) value: String,
}

impl Change {
    /// Entity and attribute as one key.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.entity, self.attribute)
    }
}

impl Plan {
    /// The bundles that a replica writes.
    pub(crate) fn bundles(&self, writer: u64) -> Vec<Vec<Change>> {
        let writes: Vec<_> = (0..self.writes as u64).map(|number| self.change(writer, number)).collect();
        writes.chunks(PER_BUNDLE).map(<[Change]>::to_vec).collect()
    }

    /// All writes together.
    pub(crate) fn total(&self) -> usize {
        self.writes * WRITERS as usize
    }

    fn change(&self, writer: u64, number: u64) -> Change {
        let chance = scatter(writer << 40 | number);
        let row = if self.keys == 0 { writer << 40 | number } else { chance % self.keys };
        let mut value = String::new();
        while value.len() < VALUE_BYTES {
            value += &format!("{:016x}", scatter(chance + value.len() as u64));
        }
        value.truncate(VALUE_BYTES);
        Change { entity: format!("task-{:016x}", scatter(row / 4)), attribute: format!("attribute-{}", row % 4), value }
    }
}

/// A number without visible order for each number: a wide product, its halves joined.
fn scatter(number: u64) -> u64 {
    let wide = u128::from(number ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15;
    (wide as u64) ^ ((wide >> 64) as u64)
}
