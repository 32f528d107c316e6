"""What only the library uses: arguments, random streams, given weights, files, digests, statistics, devices."""
