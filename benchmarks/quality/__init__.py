"""How good is the shipped detection on labelled data, beside what one would otherwise take?

    folders     reads the data: series, hosts, logs, labels; any part may be missing
    shipped     the shipped detectors, as `tidegate detect` runs them, over one file
    baselines   what a user would otherwise pick, over the same file
    results     writes the scores, alarms, blame and template ids, and the manifest
    episodes    labels as rows of a file
    nab, events, ranking, naming
                the scores: Numenta's, the operator's, the ranking's, that of blame and templates
    intervals   how sure a score is
    jobs        one detector over one file, two at a time
    measures    the scores of all jobs
    report      the measures as one table
    splits      how much of a figure is owed to having chosen on these files, by halves of them

`python -m benchmarks.quality --data FOLDER --out FOLDER [--profile lean]` runs it all.
"""
