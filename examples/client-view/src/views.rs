//! The views: what a page shows, one row per question.

mod conflicts;
mod entries;
mod history;
mod line;
mod names;

pub use conflicts::{Conflicts, Lost, lost};
pub use entries::{Entries, Entry};
pub use history::History;
pub use line::{EXCERPT_CHARS, Line, Lines};
pub use names::{Devices, Names};
