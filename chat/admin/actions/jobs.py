from chat.accounts.policy import can_administer
from chat.core import jobs
from chat.core.authorize import authorize
from chat.core.errors import NotFound
from chat.core.transaction import transaction
from chat.site.events import Audited


def retry_job(actor, job_id):
    """Have a job that failed done now. Raises NotFound when there is none, or it has been done meanwhile."""
    with transaction() as record:
        authorize(can_administer(actor))
        if not jobs.try_again(job_id):
            raise NotFound("There is no such job, or it has been done meanwhile.")
        record(Audited(actor.id, "job_retried", "job", job_id))
