//! The first answer of the page: which store for this workload.

use std::fmt::Write as _;

use super::{chip, escape};
use crate::choose::{Line, Summary};

/// The section.
pub(super) fn section(out: &mut String, summary: &Summary) {
    let _ = write!(
        out,
        "<section id=\"which-store\">\n<h2>Which store suits this workload?</h2>\n<p class=\"note\">{}. Each store works in a process of \
         its own. The fastest stands first. Memory is the most that the process took; reopening is from the start of opening to the \
         first status, after <code>kill -9</code>.</p>\n<div class=\"scroll\"><table>\n<tr>",
        escape(&summary.pattern.to_string())
    );
    for head in Line::HEAD {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(head));
    }
    out.push_str("</tr>\n");
    for line in &summary.lines {
        let [store, _, rest @ ..] = line.cells();
        let _ = write!(out, "<tr><th scope=\"row\">{}</th><td>{}</td>", escape(&store), chip(line.durability));
        for cell in rest {
            let _ = write!(out, "<td>{}</td>", escape(&cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
    for gap in &summary.gaps {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(gap));
    }
    out.push_str("</section>\n");
}
