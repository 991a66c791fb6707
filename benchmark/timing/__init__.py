"""Run times: what is recorded, when sampling stops, and what recordings prove. Runs without torch.

recording   one timed process with every raw sample; the modes
storage     recordings as JSON lines, checked on reading
rules       thresholds of the protocol
sampler     the loop that warms up and samples on a device
pairing     the loop that calls a network and its anchor in turn; the ratios of its pairs
rejection   why a sample is rejected
stats       confidence interval of a median, slope, trend
verdicts    the verdict on one recording, and its reasons
comparison  whether one mode is faster than another
timings     rows of timings.csv
ratios      rows of ratios.csv
prices      rows of prices.csv
schedule    what to measure, and in which order
"""
