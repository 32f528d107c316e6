"""The command line of an experiment."""

import argparse


def parsed(question, argv):
    """The options of a command line; what does not go together ends it with a message."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--full", action="store_true", help="run both modes and write the result file")
    parser.add_argument("--store-quick", action="store_true", help="rewrite the quick part of the result file")
    parser.add_argument(
        "--confirm", action="store_true", help="note that the code of now gives the stored quick digits"
    )
    parser.add_argument("--seeds-from", type=int, default=0, metavar="N", help="other data, weights, orders and noise")
    parser.add_argument("--folder", help="write the result there, in pieces that are taken up again")
    options = parser.parse_args(argv)
    if options.seeds_from < 0:
        parser.error(f"--seeds-from must be 0 or larger; got {options.seeds_from}")
    if options.full and options.seeds_from and not options.folder:
        parser.error("--full with --seeds-from needs --folder: book/results holds the seeds from 0")
    if (options.store_quick or options.confirm) and (options.seeds_from or options.folder):
        parser.error("--store-quick and --confirm are about book/results, without --seeds-from and --folder")
    return options
