//! Cells in columns and numbers in groups, for a terminal.

use std::fmt::Write as _;

/// Rows in columns as wide as their widest cell: those of `text` to the left, numbers to the right.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]], text: &[usize]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if text.contains(&column) {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A number in groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_to_the_left_and_numbers_to_the_right() {
        let rows = [["store", "events/s"], ["redb", "1,234"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows, &[0]), "store  events/s\nredb      1,234\n");
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(["7", "1,000", "1,234,567"], [7, 1_000, 1_234_567].map(grouped).each_ref().map(String::as_str));
    }
}
