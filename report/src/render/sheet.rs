//! A page with one finding, its figures and its table: for results that are no timeline.

use askama::Template;
use plotly::{Configuration, Plot};

use crate::render::html::{for_script, plotly_script};
use crate::render::tables::Table;

/// A page; the form is in `templates/sheet.html`.
#[derive(Debug, Template)]
#[template(path = "sheet.html")]
pub struct Sheet {
    /// What it is about.
    pub title: String,
    /// Host and plan in one line.
    pub facts: String,
    /// Whether the result may be believed.
    pub valid: bool,
    /// The finding.
    pub headline: String,
    /// Its evidence.
    pub detail: String,
    /// The pictures.
    pub figures: Vec<Figure>,
    /// What the table shows.
    pub table_title: &'static str,
    /// The figures behind the pictures.
    pub table: Table,
    plotly: String,
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Figure {
    id: &'static str,
    title: &'static str,
    note: String,
    height_px: usize,
    json: String,
}

impl Figure {
    /// A plot whose colours are tokens.
    #[must_use]
    pub fn new(
        id: &'static str,
        title: &'static str,
        note: String,
        height_px: usize,
        mut plot: Plot,
    ) -> Self {
        plot.set_configuration(Configuration::new().responsive(true).display_logo(false));
        Self { id, title, note, height_px, json: for_script(plot.to_json()) }
    }
}

impl Sheet {
    /// A page about `title`, without a finding yet.
    #[must_use]
    pub fn new(title: String, facts: String) -> Self {
        Self {
            title,
            facts,
            valid: true,
            headline: String::new(),
            detail: String::new(),
            figures: Vec::new(),
            table_title: "",
            table: Table::default(),
            plotly: plotly_script(),
        }
    }

    /// As HTML; the plotting script is in it.
    #[must_use]
    pub fn to_html(&self) -> String {
        // Rendering to a string fails only when a Display does, and these are strings.
        self.render().unwrap_or_default()
    }
}
