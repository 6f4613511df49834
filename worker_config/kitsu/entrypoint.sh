#!/bin/sh
# Run a part of Kitsu: initialise, api or jobs. Secrets come from files: no variable of the container
# holds one, where docker inspect would tell it.
set -eu
DB_PASSWORD=$(cat /run/secrets/kitsu_db_password)
KV_PASSWORD=$(cat /run/secrets/kitsu_redis_password)
SECRET_KEY=$(cat /run/secrets/kitsu_secret_key)
export DB_PASSWORD KV_PASSWORD SECRET_KEY

case $1 in
initialise)
    exec python -I /opt/kitsu/initialise.py </run/secrets/kitsu_admin_password
    ;;
api)
    # gevent has to patch the standard library before zou is imported, once for all its workers. 600 s:
    # an upload of gigabytes blocks its worker. 75 s: as long as nginx keeps connections.
    exec python -I -c 'from gevent import monkey
monkey.patch_all()
from gunicorn.app.wsgiapp import run
run()' --bind 0.0.0.0:8080 --preload --workers "${KITSU_API_WORKERS:-2}" --worker-class gevent \
        --timeout 600 --keep-alive 75 --worker-tmp-dir /dev/shm --no-control-socket zou.app:app
    ;;
jobs)
    exec python -I -m rq.cli worker -w zou.app.utils.job_worker.ZouWorker -c zou.job_settings
    ;;
*)
    exec "$@"
    ;;
esac
