//! Comparing long lists: a failure names the first difference, not two logs of thousands of bundles.

use std::fmt::Debug;

/// Asserts that two lists are the same, and says where they differ first.
macro_rules! assert_same {
    ($found:expr, $expected:expr $(,)?) => {
        assert_same!($found, $expected, "the lists differ")
    };
    ($found:expr, $expected:expr, $($about:tt)+) => {
        if let Some(difference) = $crate::assert::difference(&$found[..], &$expected[..]) {
            panic!("{}: {difference}", format_args!($($about)+));
        }
    };
}

/// The first difference of two lists, in words.
pub(crate) fn difference<A: PartialEq<B> + Debug, B: Debug>(found: &[A], expected: &[B]) -> Option<String> {
    let same = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    if same == found.len() && same == expected.len() {
        return None;
    }
    let (lengths, item) = (format!("{} items, {} expected", found.len(), expected.len()), same + 1);
    let (found, expected) = (found.get(same), expected.get(same));
    Some(format!("{lengths}; the first difference is item {item}:\n found    {found:?}\n expected {expected:?}"))
}
