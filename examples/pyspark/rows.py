"""20,190 person-years of the RAND Health Insurance Experiment, from statsmodels: who had how many visits to a doctor."""

from statsmodels.datasets import randhie

SPREAD = 53  # Days between the visits of a year: the data says how many there were, and not when.


def person_years():
    """(number, visits, health, plan) of each."""
    data = randhie.load_pandas().data
    for number, row in enumerate(data.itertuples(index=False)):
        health = "poor" if row.hlthp else "fair" if row.hlthf else "good" if row.hlthg else "excellent"
        yield number, int(row.mdvis), health, "deductible" if row.idp else "no deductible"


def days_of(number, visits):
    """The days of the year of a person's visits."""
    return [(number * 37 + visit * SPREAD) % 365 for visit in range(visits)]
