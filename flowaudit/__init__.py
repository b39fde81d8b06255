"""flowaudit: which way did every byte of a SageMaker workload go, and was that way allowed?"""

from importlib.metadata import version

__version__ = version("flowaudit")
