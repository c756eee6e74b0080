//! The matrix as text, Markdown, HTML and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::policy::review::{Cell, Matrix, Row};
use crate::settings::args::MatrixFormat;

/// The matrix in one of the formats, with a line end.
pub(super) fn render(matrix: &Matrix, format: MatrixFormat) -> String {
    match format {
        MatrixFormat::Text => text(matrix),
        MatrixFormat::Markdown => markdown(matrix),
        MatrixFormat::Html => html(matrix),
        MatrixFormat::Json => format!("{}\n", as_json(matrix)),
    }
}

/// The heads of the columns, each with the scopes where the name does not say them.
fn heads(matrix: &Matrix) -> Vec<String> {
    let head = |holder: &crate::policy::review::Holder| {
        let scopes: Vec<&str> = holder.scopes.iter().collect();
        let scopes = scopes.join(" ");
        if scopes.is_empty() || holder.name == scopes {
            holder.name.clone()
        } else {
            format!("{}: {scopes}", holder.name)
        }
    };
    matrix.holders.iter().map(head).collect()
}

fn thing(row: &Row) -> String {
    format!("{} {}", row.kind.word(), row.name)
}

fn text(matrix: &Matrix) -> String {
    let mut text = String::new();
    let numbers = 1_usize..;
    for (number, head) in numbers.zip(heads(matrix)) {
        let _ = writeln!(text, "[{number}] {head}");
    }
    let things: Vec<String> = matrix.rows.iter().map(thing).collect();
    let width = things.iter().map(|thing| thing.chars().count()).max().unwrap_or(0);
    let column = matrix
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.word().chars().count())
        .max()
        .unwrap_or(0)
        .max(3);
    let mut line = format!("\n{:width$}", "");
    for number in 1..=matrix.holders.len() {
        let _ = write!(line, "  {:column$}", format!("[{number}]"));
    }
    let _ = writeln!(text, "{}", line.trim_end());
    for (row, thing) in matrix.rows.iter().zip(things) {
        let mut line = format!("{thing:width$}");
        for cell in &row.cells {
            let _ = write!(line, "  {:column$}", cell.word());
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn markdown(matrix: &Matrix) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;");
    let mut text = String::from("| |");
    for head in heads(matrix) {
        let _ = write!(text, " {} |", escaped(&head));
    }
    let _ = write!(text, "\n| --- |{}\n", " --- |".repeat(matrix.holders.len()));
    for row in &matrix.rows {
        let _ = write!(text, "| {} `{}` |", row.kind.word(), row.name.replace('|', "\\|").replace('`', "'"));
        for cell in &row.cells {
            let _ = write!(text, " {} |", cell.word());
        }
        text.push('\n');
    }
    text
}

fn html(matrix: &Matrix) -> String {
    let mut text = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Access matrix</title>\n<style>\n\
         body{font:14px sans-serif}table{border-collapse:collapse}th,td{border:1px solid #bbb;padding:.3em .6em;text-align:left}\n\
         td.yes{background:#d9f2d9}td.needs{background:#fff3cd}\n</style>\n<table>\n<tr><th></th>",
    );
    for head in heads(matrix) {
        let _ = write!(text, "<th>{}</th>", escaped_html(&head));
    }
    text.push_str("</tr>\n");
    for row in &matrix.rows {
        let _ = write!(text, "<tr><th>{}</th>", escaped_html(&thing(row)));
        for cell in &row.cells {
            let class = match cell {
                Cell::Yes => "yes",
                Cell::Challenged | Cell::Conditional | Cell::Shadow => "needs",
                Cell::Explained | Cell::Hidden => "no",
            };
            let _ = write!(text, "<td class=\"{class}\">{}</td>", cell.word());
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n</html>\n");
    text
}

fn escaped_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn as_json(matrix: &Matrix) -> Value {
    let holder = |holder: &crate::policy::review::Holder| json!({"name": holder.name, "scopes": holder.scopes.iter().collect::<Vec<_>>()});
    let row = |row: &Row| {
        let cells: Vec<&str> = row.cells.iter().map(|cell| cell.word()).collect();
        json!({"kind": row.kind.word(), "name": row.name, "cells": cells})
    };
    json!({
        "callers": matrix.holders.iter().map(holder).collect::<Vec<_>>(),
        "things": matrix.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::policy::review::matrix;

    const POLICY: &str = "version: 1\ntools: {a: {scopes: [x]}, \"<b|*>\": {scopes: [y], on_deny: hide}}\ntests:\n  - {name: t, token: {sub: alice, scope: x}, tools: {visible: [a]}}\n";

    #[track_caller]
    fn check(format: MatrixFormat, expected: &str) {
        let policy = Policy::compile("p", POLICY).unwrap();
        assert_eq!(render(&matrix(&policy, Vec::new()).unwrap(), format), expected);
    }

    #[test]
    fn a_matrix_for_a_terminal() {
        check(
            MatrixFormat::Text,
            "[1] alice: x\n[2] (no scope)\n\n            [1]          [2]\ntool a      yes          needs scope\ntool <b|*>  -            -\n",
        );
    }

    #[test]
    fn a_matrix_in_markdown() {
        check(
            MatrixFormat::Markdown,
            "| | alice: x | (no scope) |\n| --- | --- | --- |\n| tool `a` | yes | needs scope |\n| tool `<b\\|*>` | - | - |\n",
        );
    }

    /// Who may do what with the sample is looked at whenever it changes: `toolgate policy matrix policy/sample.yaml`.
    #[test]
    fn the_matrix_of_the_sample_is_the_one_that_was_looked_at() {
        let sample = Policy::compile("sample", include_str!("../../../policy/sample.yaml")).unwrap();
        let matrix = render(&matrix(&sample, Vec::new()).unwrap(), MatrixFormat::Text);
        assert_eq!(matrix, include_str!("../../../policy/matrix.txt"));
    }

    #[test]
    fn names_cannot_be_markup() {
        let policy = Policy::compile("p", POLICY).unwrap();
        let page = render(&matrix(&policy, Vec::new()).unwrap(), MatrixFormat::Html);
        assert!(page.contains("<th>tool &lt;b|*&gt;</th>") && !page.contains("<b|"), "{page}");
    }

    #[test]
    fn a_matrix_for_programs() {
        check(
            MatrixFormat::Json,
            "{\"callers\":[{\"name\":\"alice\",\"scopes\":[\"x\"]},{\"name\":\"(no scope)\",\"scopes\":[]}],\"things\":[{\"cells\":[\"yes\",\"needs scope\"],\"kind\":\"tool\",\"name\":\"a\"},{\"cells\":[\"-\",\"-\"],\"kind\":\"tool\",\"name\":\"<b|*>\"}]}\n",
        );
    }
}
