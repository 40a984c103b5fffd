use activelog_domain::statistics::Figures;

use super::session::PgQuery;

/// Figures by column, to be unnested into rows.
#[derive(Default)]
pub(super) struct FigureColumns {
    activities: Vec<i64>,
    duration_minutes: Vec<i64>,
    distance_metres: Vec<i64>,
    calories_burned: Vec<i64>,
}

impl FigureColumns {
    /// Adds a row.
    pub(super) fn push(&mut self, figures: Figures) {
        self.activities.push(figures.activities);
        self.duration_minutes.push(figures.duration_minutes);
        self.distance_metres.push(figures.distance_metres);
        self.calories_burned.push(figures.calories_burned);
    }

    /// Binds the next four parameters, each a `bigint[]`.
    pub(super) fn bind(self, query: PgQuery) -> PgQuery {
        query.bind(self.activities).bind(self.duration_minutes).bind(self.distance_metres).bind(self.calories_burned)
    }
}
