use activelog_domain::{
    activity::{ActivityDraft, ActivityType, Calories, Description, Distance, Duration, Notes, Tags, Title},
    user::UserId,
    validation::{Checks, FieldError},
};
use jiff::Timestamp;

use super::{
    Columns, Record,
    columns::Twice,
    dates::date,
    numbers::{number, seconds, to_whole},
};

/// The longest id of a row, in bytes. Strava's have some eleven digits.
const ID_MAX: usize = 100;

/// A row that can be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// The line it begins on.
    pub line: u64,
    /// Its id in the system it comes from.
    pub external_id: String,
    /// What it says.
    pub draft: ActivityDraft,
}

/// A row that cannot: its id if that could be read, and everything that is wrong.
pub(super) type Refused = (Option<String>, String);

impl ImportRow {
    /// Makes a draft of a record.
    pub(super) fn read(columns: &Columns, record: &Record, user: UserId, now: Timestamp) -> Result<Self, Refused> {
        if record.len() != columns.width {
            let (cells, width) = (record.len(), columns.width);
            return Err((None, format!("has {cells} cells where the header has {width}")));
        }
        if record.cells().any(|cell| std::str::from_utf8(cell).is_err()) {
            return Err((None, "holds bytes that are not UTF-8".to_owned()));
        }
        let cells = Cells { columns, record };
        let external_id = match cells.id() {
            Ok(id) => id,
            Err(error) => return Err((None, error.to_string())),
        };
        match cells.draft(user, now) {
            Ok(draft) => Ok(Self { line: record.line, external_id, draft }),
            Err(reason) => Err((Some(external_id), reason)),
        }
    }
}

struct Cells<'a> {
    columns: &'a Columns,
    record: &'a Record,
}

impl<'a> Cells<'a> {
    fn at(&self, index: usize) -> &'a str {
        self.record.cell(index).and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or_default()
    }

    fn id(&self) -> Result<String, FieldError> {
        let id = self.at(self.columns.id).trim();
        let plain = !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|b| b.is_ascii_graphic());
        let rule = "must be 1 to 100 letters, digits or signs without spaces";
        if plain { Ok(id.to_owned()) } else { Err(FieldError::new("Activity ID", rule, id)) }
    }

    fn draft(&self, user_id: UserId, now: Timestamp) -> Result<ActivityDraft, String> {
        let mut checks = Checks::new();
        let activity_type = checks.take(ActivityType::new(self.at(self.columns.kind)));
        let title = checks.take(self.title());
        let description = checks.take(self.description());
        let notes = checks.take(self.notes());
        let duration = checks.take(self.duration());
        let distance = checks.take(self.distance());
        let calories = checks.take(self.calories());
        let activity_date = checks.take(date(self.at(self.columns.date), now));
        checks.finish().map_err(|errors| errors.to_string())?;
        let draft = || {
            Some(ActivityDraft {
                user_id,
                activity_type: activity_type?,
                title: title?,
                description: description?,
                duration: duration?,
                distance: distance?,
                calories: calories?,
                notes: notes?,
                tags: Tags::default(),
                activity_date: activity_date?,
            })
        };
        draft().ok_or_else(|| "cannot be read".to_owned())
    }

    /// An activity without a name is called what it is.
    fn title(&self) -> Result<Title, FieldError> {
        let name = self.at(self.columns.name);
        Title::new(if name.trim().is_empty() { self.at(self.columns.kind) } else { name })
    }

    fn description(&self) -> Result<Option<Description>, FieldError> {
        let text = self.columns.description.map(|index| self.at(index)).unwrap_or_default();
        if text.trim().is_empty() { Ok(None) } else { Description::new(text).map(Some) }
    }

    fn notes(&self) -> Result<Option<Notes>, FieldError> {
        let text = self.columns.notes.map(|index| self.at(index)).unwrap_or_default();
        if text.trim().is_empty() { Ok(None) } else { Notes::new(text).map(Some) }
    }

    /// The elapsed time, else the moving time; in whole minutes, rounded up.
    fn duration(&self) -> Result<Duration, FieldError> {
        const FIELD: &str = "duration_minutes";
        let mut taken = self.time(self.columns.elapsed)?;
        if let (None, Some(moving)) = (taken, self.columns.moving) {
            taken = self.time(moving)?;
        }
        let seconds = taken.ok_or_else(|| FieldError::new(FIELD, "must be given as Elapsed Time in seconds", ""))?;
        if seconds < 0.0 {
            return Err(FieldError::new(FIELD, "must not be negative", seconds));
        }
        Duration::new(to_whole((seconds / 60.0).ceil()).max(1))
    }

    fn time(&self, column: Twice) -> Result<Option<f64>, FieldError> {
        let read = |index: usize| seconds("duration_minutes", self.at(index));
        match column.exact.map(read).transpose()?.flatten() {
            Some(exact) => Ok(Some(exact)),
            None => read(column.displayed),
        }
    }

    /// The module's documentation says how kilometres and metres are told apart. Zero is no distance.
    fn distance(&self) -> Result<Option<Distance>, FieldError> {
        let Some(column) = self.columns.distance else { return Ok(None) };
        let read = |index: usize| number("distance_km", self.at(index));
        let exact = column.exact.map(read).transpose()?.flatten();
        // What is displayed only matters where there is nothing exact, or to notice that the two were swapped.
        let displayed = if exact.is_some() { read(column.displayed).ok().flatten() } else { read(column.displayed)? };
        let distance = match (displayed, exact) {
            (Some(displayed), Some(exact)) if swapped(displayed, exact) => Distance::from_km(displayed / 1_000.0)?,
            (_, Some(exact)) => Distance::from_km(exact / 1_000.0)?,
            (Some(displayed), None) => Distance::from_km(displayed)?,
            (None, None) => return Ok(None),
        };
        Ok((distance.metres() > 0).then_some(distance))
    }

    fn calories(&self) -> Result<Option<Calories>, FieldError> {
        let cell = self.columns.calories.map(|index| self.at(index)).unwrap_or_default();
        number("calories_burned", cell)?.map(|kcal| Calories::new(to_whole(kcal.round()))).transpose()
    }
}

/// Whether what should be kilometres (or miles) is what should be metres.
fn swapped(displayed: f64, exact: f64) -> bool {
    exact > 0.0 && (500.0..=2_000.0).contains(&(displayed / exact))
}
