"""cutis: from skin-lesion photographs to a classifier one can defend.

Research software, not a medical device.
"""

__version__ = "0.1.0"
