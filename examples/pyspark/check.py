"""Counts the same rows without Spark, and compares with what the gateway shows: check.py METRICS-URL MINUTES"""

import re
import sys
import urllib.request
from collections import Counter

from rows import days_of, person_years

url, minutes = sys.argv[1], int(sys.argv[2])
truth = Counter()
for number, visits, health, plan in person_years():
    truth["visits_read_total", "episode-processing", health] += visits
    days = sorted(days_of(number, visits))
    truth["episodes_consolidated_total", "episode-processing", health] += sum(
        at == 0 or day - days[at - 1] > 30 for at, day in enumerate(days)
    )
    if number < minutes * 2000:
        truth["rows_processed_total", "scheduled-processing", plan] += 1
        truth["visits_billed_total", "scheduled-processing", plan] += visits

shown = Counter()
for line in urllib.request.urlopen(url).read().decode().splitlines():
    parts = re.fullmatch(r"(\w+)\{.*\} (\S+)", line)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
    if parts and ("health" in labels or "plan" in labels):
        shown[parts[1], labels["job"], labels.get("health", labels.get("plan"))] += float(parts[2])

for key in sorted(truth | shown):
    print(f"{' '.join(key):66}{shown[key]:8.0f} of {truth[key]}")
if shown != truth:
    sys.exit("what is shown is not what there is")
