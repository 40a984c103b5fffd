use serde::Serialize;

/// What several turns measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// The value that the share `at` of all does not exceed; 0 of none.
    pub(crate) fn quantile(&self, at: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index between 0 and the length"
        )]
        let index = (self.0.len() as f64 * at).ceil() as usize;
        self.0.get(index.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match (self.0.len() % 2, self.0.get(middle)) {
            (_, None) => 0.0,
            (0, Some(upper)) => f64::midpoint(*upper, self.0[middle - 1]),
            (_, Some(value)) => *value,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// "1,234 (1,200–1,300)": median, least and most.
    pub(crate) fn range(&self) -> String {
        format!("{} ({}–{})", whole(self.median()), whole(self.min()), whole(self.max()))
    }

    /// "p50 1.2 ms, p99 3.4 ms", of milliseconds.
    pub(crate) fn quantiles(&self) -> String {
        format!("p50 {:.1} ms, p99 {:.1} ms", self.quantile(0.5), self.quantile(0.99))
    }
}

impl FromIterator<f64> for Figures {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }
}

/// A whole number with its thousands apart.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
