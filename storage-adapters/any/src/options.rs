//! How a store is opened.

use syncline::store::Durability;

use crate::name::StoreName;

/// Which store to open, and how. What an adapter offers beyond this, its own options do.
///
/// ```no_run
/// use syncline::store::Durability;
/// use syncline_any::AnyOptions;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = AnyOptions::new("sled:notes".parse()?).durability(Durability::Process).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AnyOptions {
    pub(crate) name: StoreName,
    pub(crate) durability: Durability,
}

impl AnyOptions {
    /// The store of this name.
    pub fn new(name: StoreName) -> Self {
        Self { name, durability: Durability::Synced }
    }

    /// What a returned commit shall survive. [`Durability::Synced`] by default. A store that cannot do less does
    /// more (redb always waits for the disk), and memory does nothing: ask
    /// [`Storage::durability`](syncline::store::Storage::durability).
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }
}
